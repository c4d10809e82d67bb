"""Which SMP requests do no harm when a board gets them twice, and what comes of it.

A request whose answer is missing may have been carried out. Then a second reset would count as the
one that a test adds, and the first packet of an upload would erase the slot again.
"""

import cbor2
from smp.header import OP, CommandId, GroupId, Header


def is_harmless_twice(request: bytes) -> bool:
    """Whether this message may be sent again: a read, or a packet within an upload.

    A packet that the board has already is answered with the offset that it wants next (Zephyr 3.3,
    subsys/mgmt/mcumgr/grp/img_mgmt/src/zephyr_img_mgmt.c, img_mgmt_upload_inspect).
    """
    if Header.loads(request[: Header.SIZE]).op is OP.READ:
        return True
    return _upload_offset(request) > 0


def has_forgotten_upload(request: bytes, answer: bytes) -> bool:
    """Whether the board wants less of an upload than it had when the request was sent.

    As one that was reset in between: a UART tells nobody of that.
    """
    return 0 <= _upload_offset(answer) < _upload_offset(request)


def _upload_offset(message: bytes) -> int:
    """`off` of an upload's packet, or of the answer to one; -1 for all else."""
    header = Header.loads(message[: Header.SIZE])
    if (header.group_id, header.command_id) != (
        GroupId.IMAGE_MANAGEMENT,
        CommandId.ImageManagement.UPLOAD,
    ):
        return -1
    try:
        payload = cbor2.loads(message[Header.SIZE :])
    except (ValueError, cbor2.CBORError):
        return -1
    offset = payload.get("off") if isinstance(payload, dict) else None
    return offset if isinstance(offset, int) else -1
