"""Reset the board, and watch what comes up."""

import time
from collections.abc import Sequence

from pytest_nrf_fota.console.log import LogPosition
from pytest_nrf_fota.deadline import Deadline
from pytest_nrf_fota.dut.readiness import wait_until_ready
from pytest_nrf_fota.errors import BoardError, InputError, NotSeenError
from pytest_nrf_fota.field_upgrade.link import Link
from pytest_nrf_fota.record.long_step import LongStep
from pytest_nrf_fota.record.recorder import FlightRecorder
from pytest_nrf_fota.smp.messages import ImageState

_ASK_AGAIN_S = 0.5
_RESET_WITHIN_S = 5.0
"""A server that answered the reset and still lives is reset by then.

Zephyr waits 250 ms (CONFIG_MCUMGR_GRP_OS_RESET_MS); while MCUboot swaps nobody answers.
"""


def reset(link: Link, recorder: FlightRecorder) -> LogPosition | None:
    """Reset over SMP, as a phone does; returns where the log goes on, None without one."""
    since = None if link.log is None else link.log.console.position()
    with recorder.step("reset over SMP"):
        link.connect()
        try:
            link.mcumgr.reset_device()
        except NotSeenError:
            # A board that resets at once answers nobody: whether it did, what comes up tells.
            link.mcumgr.disconnect()
    return since


def wait_for_application(
    link: Link,
    recorder: FlightRecorder,
    since: LogPosition | None,
    *,
    waiting: Sequence[bytes],
    within_s: float,
) -> tuple[ImageState, ...] | None:
    """Wait until the board's SMP server answers behind its reset; returns its image list.

    Args:
        link: the board.
        recorder: gets what happens.
        since: where the log goes on behind the reset; None without one.
        waiting: hashes of images that were pending before: an early answer that still shows one
            so may come from before the reset.
        within_s: for a swap and a boot.

    None where nothing answers in time.
    """
    began_s, deadline = time.monotonic(), Deadline.after(within_s)
    with recorder.watched(LongStep("swap and boot", at_most_s=within_s)):
        if link.log is not None and since is not None:
            _wait_for_ready_line(link, since, deadline)
        while True:
            images = _list(link, deadline)
            is_old = any(one.pending and one.hash in waiting for one in images or ())
            if images is not None and not (is_old and began_s + _RESET_WITHIN_S > time.monotonic()):
                return images
            link.mcumgr.disconnect()
            if deadline.expired:
                return None
            time.sleep(min(_ASK_AGAIN_S, deadline.remaining_s))


def stays_up(link: Link, since: LogPosition | None) -> bool:
    """Whether the application that runs is still there after the time that the board file gives.

    On the console no further boot was seen then; without one the SMP server still answers over the
    same connection.
    """
    boots_before = _count_boots(link, since)
    time.sleep(link.board.boot.settle_s)
    if link.log is not None:
        return _count_boots(link, since) == boots_before
    try:
        link.mcumgr.get_image_list()
    except NotSeenError:
        return False
    return True


def _count_boots(link: Link, since: LogPosition | None) -> int:
    boots = link.log.boots_since(since) if link.log is not None and since is not None else ()
    return boots[-1].number if boots else 0


def _wait_for_ready_line(link: Link, since: LogPosition, deadline: Deadline) -> None:
    assert link.log is not None, "asked where there is a log"
    timeouts = link.board.timeouts
    try:
        wait_until_ready(
            link.log.console,
            link.board.boot.app_ready,
            since=since,
            deadline=deadline,
            app_start_s=timeouts.app_start_s or timeouts.boot_s,
        )
    except (NotSeenError, BoardError):
        # Crashes, silence, or another ready line: what runs is the verdict's to say.
        return


def _list(link: Link, deadline: Deadline) -> tuple[ImageState, ...] | None:
    try:
        # Once at least: the log's line may have taken all the time there was.
        link.connect(max(deadline.remaining_s, link.board.timeouts.smp_s))
        return link.mcumgr.get_image_list()
    except InputError:
        raise
    except (NotSeenError, BoardError):
        return None
