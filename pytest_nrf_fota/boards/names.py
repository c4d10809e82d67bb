"""Whether the board that a manifest or a build names is this one.

sdk-nrf cmake/fw_zip.cmake writes CONFIG_BOARD: before NCS 2.7 that is `nrf5340dk_nrf5340_cpuapp`,
with TF-M `nrf5340dk_nrf5340_cpuapp_ns`; under Zephyr's present hardware model the bare
`nrf5340dk`, for the network core `nrf5340dk/nrf5340/cpunet`. People also write the whole target,
with a variant (`/ns`) or a revision of the board (`nrf5340dk@2.0.0/nrf5340/cpuapp`).
"""

import re
from collections.abc import Sequence

_REVISION = re.compile(r"@[0-9a-z.]+", re.IGNORECASE)
_NON_SECURE = "_ns"
_APPLICATION_CORE = "cpuapp"
_NETWORK_CORE = "cpunet"
# The old form has no mark between board and SoC; the SoC is an nRF's number at the end.
_OLD_SOC = re.compile(r"_nrf\d+[a-z]?\d*(_cpu[a-z]+)?$")
_TARGET = re.compile(r"/|_cpu")


def is_same_board(name: str, known: Sequence[str], *, is_for_network_core: bool = False) -> bool:
    """Whether a name means one of the known boards, or its network core.

    A name of the board alone means each of its SoCs and cores; two whole targets must be the same.

    Args:
        name: as a manifest or a command line has it.
        known: names of this board, in any of the spellings, of its application core.
        is_for_network_core: whether the network core is meant.
    """
    folded = _folded(name)
    if (_APPLICATION_CORE if is_for_network_core else _NETWORK_CORE) in folded:
        return False
    return any(_fits(name, one) for one in known)


def board_alone(name: str) -> str:
    """The board's own name: `nrf5340dk` of `nrf5340dk/nrf5340/cpuapp`, in either spelling."""
    return _OLD_SOC.sub("", _folded(name.partition("/")[0]))


def _fits(name: str, known: str) -> bool:
    if _folded(name).replace(_NETWORK_CORE, _APPLICATION_CORE) == _folded(known):
        return True
    are_targets = _TARGET.search(name.lower()) and _TARGET.search(known.lower())
    return not are_targets and not _boards(name).isdisjoint(_boards(known))


def _boards(name: str) -> set[str]:
    # `feather_nrf52840` may be a board's whole name, or the old form of a `feather`.
    return {_folded(name.partition("/")[0]), board_alone(name)}


def _folded(name: str) -> str:
    """One spelling of all that mean the same: `nrf5340dk_nrf5340_cpuapp`."""
    without_revision = _REVISION.sub("", name)
    return without_revision.replace("/", "_").lower().removesuffix(_NON_SECURE)
