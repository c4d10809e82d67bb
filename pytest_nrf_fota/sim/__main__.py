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

    from pytest_nrf_fota.sim.process import run_kit_of_provider

    gc.freeze()
    gc.enable()

    run_kit_of_provider(sys.argv[1])
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(0)
