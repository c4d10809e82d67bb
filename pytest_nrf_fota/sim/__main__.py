"""`python -m pytest_nrf_fota.sim SETTINGS_JSON`: a kit for the provider that started it.

Prints its addresses as one JSON line and ends when standard input does.
"""

import asyncio
import sys

from pydantic import TypeAdapter

from pytest_nrf_fota.sim.control import Addresses
from pytest_nrf_fota.sim.kit import KitSettings
from pytest_nrf_fota.sim.process import run_kit


def _announce(addresses: Addresses) -> None:
    print(addresses.model_dump_json(), flush=True)


if __name__ == "__main__":
    settings = TypeAdapter(KitSettings).validate_json(sys.argv[1])
    asyncio.run(run_kit(settings, announce=_announce, stop_with_stdin=True))
