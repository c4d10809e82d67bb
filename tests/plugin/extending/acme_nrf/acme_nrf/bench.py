"""acmeprog without hardware: a virtual kit whose probe is Acme's programmer."""

import os
from dataclasses import replace

from pytest_nrf_fota.boards.traits import Interface
from pytest_nrf_fota.probe.choose import make_probe
from pytest_nrf_fota.probe.recording import RecordingProbe
from pytest_nrf_fota.providers.provider import Provider, Wanted, Wires
from pytest_nrf_fota.providers.sim import SimUnit
from pytest_nrf_fota.record.recorder import FlightRecorder


class Bench:
    """UART and SMP are the virtual kit's; SWD is a program named acmeprog."""

    def __init__(self, wanted: Wanted) -> None:
        self._wanted = wanted
        self._kit = SimUnit(wanted.board, wanted.unit_name, wanted.log_folder, wanted.radio)
        self.name = self._kit.name
        # For the program, which reaches the kit with `KitControl`.
        os.environ["ACMEPROG_KIT"] = self._kit.control_address

    def open_wires(self, recorder: FlightRecorder) -> Wires:
        """Those of the virtual kit, with the probe of `probe.runner`."""
        wires = self._kit.open_wires(recorder)
        wires.probe.close()
        board, folder = self._wanted.board, self._wanted.log_folder / "probe"
        probe = make_probe(board, None, folder)
        return replace(wires, probe=RecordingProbe(probe, recorder))

    def release(self) -> None:
        """End the virtual kit."""
        self._kit.release()


BENCH = Provider(
    "acme_bench",
    frozenset({Interface.BLUETOOTH, Interface.CONSOLE}),
    is_kit=True,
    needs_section="sim",
    take=Bench,
)
