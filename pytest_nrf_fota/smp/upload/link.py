"""What a transport tells an upload of its connection, and what follows from it."""

from dataclasses import dataclass
from typing import Protocol, runtime_checkable

from pytest_nrf_fota.smp.messages import ServerParameters
from pytest_nrf_fota.smp.upload.patience import LEAST_S
from pytest_nrf_fota.smp.upload.pipeline import Limits

FEWEST_BUFFERS = 3
"""With two of them, one holds the request that is being served and the other its response."""

MOST_REQUESTS = 8
"""More fill no link: three of 2475 bytes are 75 ms of air at 1 Mbit/s."""

FIRST_AGAIN_S = 1.2
"""After how long a first request is sent again; the server goes on with the upload it names."""


@dataclass(frozen=True)
class UploadLink:
    """One connection.

    Args:
        part_bytes: longest ATT write; None where the transport sends whole requests.
        interval_s: connection interval; None where it is unknown, or there is none.
        most_requests: how many may be on their way at once; None for as many as the server takes.
        held_requests: how many more the transport takes and sends when an answer has come; they
            need no buffer of the server.
        most_message_bytes: longest message that may arrive, where it is more than the longest that
            does so for sure (`max_unencoded_size` of the transport).
        least_timeout_s: after how long at the earliest an answer counts as missing.
    """

    part_bytes: int | None = None
    most_message_bytes: int | None = None
    interval_s: float | None = None
    most_requests: int | None = None
    held_requests: int = 0
    least_timeout_s: float = LEAST_S


@runtime_checkable
class PipelinedTransport(Protocol):
    """A transport that takes requests while earlier ones are unanswered, and queues answers."""

    def upload_link(self) -> UploadLink:
        """The connection as it is now."""

    async def send_part(self, part: bytes) -> None:
        """Send one piece of a request: one ATT write, or the whole of it."""

    async def restart_reassembly(self) -> None:
        """Make the server forget the request of which it has a part."""


@runtime_checkable
class HoldingTransport(Protocol):
    """A transport with `held_requests`."""

    def drop_held(self) -> None:
        """Do not send what waits for an answer."""


@dataclass(frozen=True)
class UploadTimes:
    """Seconds that an upload waits.

    Args:
        first_answer_s: for the first answer: a slot may be erased before.
        silence_s: for any later one.
    """

    first_answer_s: float
    silence_s: float


def limits_for(
    link: UploadLink | None, server: ServerParameters | None, times: UploadTimes
) -> Limits:
    """How many requests at once a server and a connection take, and how long to wait.

    Args:
        link: None for a transport that knows one request at a time.
        server: None for one that does not tell its buffers.
        times: how long to wait.
    """
    window, interval_s = 1, None
    buffers = server.buffer_count if server is not None else 0
    if link is not None and buffers >= FEWEST_BUFFERS:
        interval_s = link.interval_s
        # One is always safe to be missing; with care it is not, and care needs the interval.
        safe = buffers - 1 if interval_s is not None else buffers - 2
        window = min(safe, link.most_requests or MOST_REQUESTS, MOST_REQUESTS)
    held = 0 if link is None else link.held_requests
    return Limits(
        window=window + held,
        floor=max(1, min(window, buffers - 2)) + held,
        interval_s=interval_s,
        care_from=buffers - 1,
        first_answer_s=times.first_answer_s,
        first_again_s=FIRST_AGAIN_S if link is not None else None,
        silence_s=times.silence_s,
        restarts=link is not None and (link.part_bytes is not None or held > 0),
        least_timeout_s=LEAST_S if link is None else link.least_timeout_s,
    )


def why_one_at_a_time(link: UploadLink | None, server: ServerParameters | None) -> str:
    """Why an upload sends one request at a time; empty where it sends more, or nothing is known."""
    if link is None or server is None or server.buffer_count >= FEWEST_BUFFERS:
        return ""
    return (
        f"The server has {server.buffer_count} buffers, so uploads send one request at a time: "
        "CONFIG_MCUMGR_TRANSPORT_NETBUF_COUNT=4 makes them faster (NCS 2.3: "
        "CONFIG_MCUMGR_BUF_COUNT)."
    )
