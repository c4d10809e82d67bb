"""Loads what runs of pytest use, in the process that `loaded_pytest` forks them from."""

import gc
from importlib import import_module

for name in (
    *("anyio.streams.tls", "imgtool.image", "regex", "rich.console", "smpclient.transport.bumble"),
    *(
        f"pytest_nrf_fota.{name}"
        for name in (
            *("plugin", "fixtures", "reporting", "session_units"),
            *("artifacts.choose", "artifacts.demo", "builds.given", "farm.claims", "record.run"),
            *("dut.dut", "dut.upgrade", "explain.explanation", "preflight.simulation"),
            *("providers.sim", "smp.bumble_transport", "smp.serial_over_console"),
        )
    ),
):
    import_module(name)
gc.freeze()
