"""`python -m pytest_nrf_fota.sim SETTINGS_JSON`: a kit for the provider that started it.

Prints its addresses as one JSON line and ends when standard input does.
"""

import gc
import os
import sys

if __name__ == "__main__":
    # A run waits for its kit. All that is imported stays to the end: looking for garbage in it
    # while it is loaded, and taking it apart at the end, was 0.2 s of 0.6 s of each kit.
    gc.disable()

    import asyncio

    from pydantic import TypeAdapter

    from pytest_nrf_fota.sim.control import Addresses
    from pytest_nrf_fota.sim.kit import KitSettings
    from pytest_nrf_fota.sim.process import run_kit

    gc.freeze()
    gc.enable()

    def _announce(addresses: Addresses) -> None:
        print(addresses.model_dump_json(), flush=True)

    settings = TypeAdapter(KitSettings).validate_json(sys.argv[1])
    asyncio.run(run_kit(settings, announce=_announce, stop_with_stdin=True))
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(0)
