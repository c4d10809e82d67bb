"""Whether the board that a manifest or a build names is the one at hand.

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


def is_same_board(name: str, known: Sequence[str], *, is_for_network_core: bool = False) -> bool:
    """Whether a name means one of the known boards, or its network core.

    Args:
        name: as a manifest or a command line has it.
        known: names of the board at hand, in any of the spellings, of its application core.
        is_for_network_core: whether the network core is meant.
    """
    folded = _folded(name)
    if (_APPLICATION_CORE if is_for_network_core else _NETWORK_CORE) in folded:
        return False
    names = {_folded(one) for one in known}
    if is_for_network_core:
        names = {one.replace(_APPLICATION_CORE, _NETWORK_CORE) for one in names}
    # Behind the bare name come SoC, core and variant, whatever of them somebody wrote.
    bare_names = {_folded(one.partition("/")[0]) for one in known}
    return folded in names or _folded(name.partition("/")[0]) in bare_names


def _folded(name: str) -> str:
    """One spelling of all that mean the same: `nrf5340dk_nrf5340_cpuapp`."""
    without_revision = _REVISION.sub("", name)
    return without_revision.replace("/", "_").lower().removesuffix(_NON_SECURE)
