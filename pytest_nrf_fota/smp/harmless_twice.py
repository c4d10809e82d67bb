"""Which SMP requests do no harm when a board gets them twice.

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
    header = Header.loads(request[: Header.SIZE])
    if header.op is OP.READ:
        return True
    is_upload = (
        header.group_id == GroupId.IMAGE_MANAGEMENT
        and header.command_id == CommandId.ImageManagement.UPLOAD
    )
    if not is_upload:
        return False
    try:
        payload = cbor2.loads(request[Header.SIZE :])
    except (ValueError, cbor2.CBORError):
        return False
    return isinstance(payload, dict) and payload.get("off", 0) != 0
