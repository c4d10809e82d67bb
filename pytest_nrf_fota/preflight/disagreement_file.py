"""What is needed to find out why model and machine code disagree, as one zip for others.

No paths and no names of files are in it; the firmware itself is.
"""

import hashlib
import importlib.metadata
import json
import platform
from collections.abc import Mapping, Sequence
from pathlib import Path
from tempfile import TemporaryDirectory

from pytest_nrf_fota.boards.board import BoardType
from pytest_nrf_fota.firmware.dfu_package import DfuPackage
from pytest_nrf_fota.firmware.hex_file import Segment, write_hex
from pytest_nrf_fota.preflight.prediction import Prediction
from pytest_nrf_fota.recordings.repeatable_zip import write_files

# Neither console, probe nor radio, where names and passkeys may stand.
_OF_BOARD = {"name", "soc", "memory", "slots", "boot", "external_flash"}
_DISTRIBUTIONS = ("pytest-nrf-fota", "unicorn")


def save_disagreement(
    folder: Path,
    board: BoardType,
    memories: Sequence[Segment],
    package: DfuPackage,
    differences: Sequence[str],
    answers: Mapping[str, Prediction],
) -> str:
    """Write `preflight-case-NUMBER.zip`, the same case always under one name.

    Args:
        folder: for the zip.
        board: its type.
        memories: what the board held before the update.
        package: the update.
        differences: in what the two disagree.
        answers: what each of them says.

    Returns its path; empty where it cannot be written.
    """
    sent = {f"update/{number}.bin": file for number, file in enumerate(package.files)}
    case = {
        "versions": {name: importlib.metadata.version(name) for name in _DISTRIBUTIONS}
        | {"python": platform.python_version(), "machine": platform.machine()},
        "board": board.model_dump(mode="json", include=_OF_BOARD),
        "update": [
            {"file": name, "image": file.image_index, "s_slot": file.s_slot}
            for name, file in sent.items()
        ],
        "differences": list(differences),
        **{name: answer.model_dump(mode="json") for name, answer in answers.items()},
    }
    text = json.dumps(case, indent=1)
    for name, file in sent.items():
        text = text.replace(file.name, name)
    text = text.replace(package.path.name, "update")
    with TemporaryDirectory() as scratch:
        hex_file = Path(scratch) / "board.hex"
        write_hex(hex_file, memories)
        files = {"case.json": text.encode(), "board.hex": hex_file.read_bytes()}
    files |= {name: file.data for name, file in sent.items()}
    number = hashlib.sha256(b"".join(files.values())).hexdigest()[:8]
    path = folder / f"preflight-case-{number}.zip"
    try:
        write_files(path, files)
    except OSError:
        # The answer counts more than its file.
        return ""
    return str(path)
