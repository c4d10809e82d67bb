"""Switch the power of a leased place off and on, with labgrid's client and its drivers."""

import os
from pathlib import Path

from pytest_nrf_fota.deadline import Deadline
from pytest_nrf_fota.farm.labgrid.address import FarmAddress
from pytest_nrf_fota.farm.labgrid.broker import client
from pytest_nrf_fota.farm.labgrid.place_kits import FarmKit
from pytest_nrf_fota.farm.power import run_switch


def cycle_place(kit: FarmKit, address: FarmAddress, python: Path, deadline: Deadline) -> None:
    """Cycle it in the name of who leased it, which labgrid wants.

    Args:
        kit: leased, with a resource that switches its power.
        address: of the coordinator.
        python: with labgrid.
        deadline: for all of it.

    Raises:
        PowerError: it did not work.
    """
    host, _, user = kit.owner.partition("/")
    kept = {n: v for n, v in os.environ.items() if n not in ("PYTHONPATH", "PYTHONHOME")}
    command = (str(python), client.__file__, "-x", address.target, "-p", kit.place)
    environment = kept | {"LG_HOSTNAME": host, "LG_USERNAME": user}
    run_switch((*command, "power", "cycle"), deadline, environment)
