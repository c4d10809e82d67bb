"""Whether the board that SMP was connected to is the one at the console and the probe.

A private or hidden address does not say so. Asked is what does no harm: the image list, compared
with what this board's memory holds, and what this board's console prints of the connection.
"""

from collections.abc import Sequence
from dataclasses import dataclass

from pytest_nrf_fota.errors import RigError
from pytest_nrf_fota.smp.messages import ImageState
from pytest_nrf_fota.smp.peer_search import FoundPeer, Peer

_SHORT_HASH_CHARS = 8


class OtherBoardError(RigError):
    """SMP led to another board than the one at the console and the probe."""


@dataclass(frozen=True)
class Signs:
    """What can be known of the board that was connected to.

    Args:
        images: its image list; None where it has none.
        own_hash: of the application in this board's memory; None where it cannot be read.
        console_shows_it: whether this board's console has shown a connection since.
        prints_connections: whether this application has shown one before, so that its silence means
            something.
    """

    images: Sequence[ImageState] | None
    own_hash: bytes | None
    console_shows_it: bool
    prints_connections: bool


def require_same_board(peer: Peer, found: FoundPeer, signs: Signs, where: str) -> str:
    """What shows that it is the same board, for the flight recorder.

    Raises `OtherBoardError` where it is another one, or where an address was wanted and nothing
    shows that the one found stands for it.
    """
    running = _running(signs.images)
    if running is not None and signs.own_hash and running.hash != signs.own_hash:
        raise _refused(
            peer,
            found,
            f"it runs {running.version} ({_short(running.hash)}), and this board's memory holds "
            f"{_short(signs.own_hash)}",
            where,
        )
    if signs.console_shows_it:
        return "its console shows the connection"
    if signs.prints_connections:
        raise _refused(
            peer,
            found,
            "this board's console shows no connection, as it did before",
            where,
        )
    if running is not None and signs.own_hash:
        return (
            f"it runs what this board's memory holds ({_short(running.hash)}), and is the only one "
            "that could be meant"
        )
    if peer.address is None:
        return "nothing but its name: neither its image list nor its console shows more"
    raise _refused(
        peer,
        found,
        "nothing shows that it is this one: its image list and this board's memory cannot be "
        "compared, and the console shows no connection",
        where,
    )


def _running(images: Sequence[ImageState] | None) -> ImageState | None:
    return next((one for one in images or () if one.active and one.image == 0), None)


def _refused(peer: Peer, found: FoundPeer, why: str, where: str) -> OtherBoardError:
    how = f"the name {peer.name!r}" if peer.name is not None else "SMP"
    return OtherBoardError(
        f"The board found by {how} at {found.address} is not the board under test: {why}.",
        where=f"{where}; the board's own address: {peer.address or 'not in its boot log'}; "
        f"advertising: {found.heard}",
        next_step="Nothing was sent to it. Does the board under test advertise? Switch the other "
        "one off, or give each a name of its own (CONFIG_BT_DEVICE_NAME, radio.name).",
    )


def _short(image_hash: bytes) -> str:
    return f"{image_hash.hex()[:_SHORT_HASH_CHARS]}..."
