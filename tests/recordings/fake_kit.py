"""A kit behind fakes of the vendors' tools: a virtual kit on the desk, as USB would show it."""

import os
from collections.abc import Sequence
from pathlib import Path
from types import TracebackType

from pytest_nrf_fota.artifacts.demo import DemoSource
from pytest_nrf_fota.boards.board import BoardType
from pytest_nrf_fota.boards.board_file import load_board
from pytest_nrf_fota.console.ports import AttachedKit, Vcom
from pytest_nrf_fota.first_contact.bench import Bench
from pytest_nrf_fota.providers.kit_wires import vcom_memory
from pytest_nrf_fota.providers.provider import Unit
from pytest_nrf_fota.providers.sim import SimUnit
from pytest_nrf_fota.providers.usb import find_kit
from pytest_nrf_fota.record.recorder import FlightRecorder
from pytest_nrf_fota.smp.host_radio import HciController, HostRadio
from tests.unit.probe.kit_behind_tool import write_package, write_tool

SERIAL_NUMBER = "1050047412"


class FakeKit:
    """A kit and tools for it, as long as the `with` lasts; nothing else is on the PATH.

    Args:
        folder: a new folder.
        tools: which tools there are.
        reads_halt: whether a read over SWD halts the core.
        without: commands that the tools do not know.
    """

    def __init__(
        self,
        folder: Path,
        *tools: str,
        reads_halt: bool = False,
        without: Sequence[str] = (),
    ) -> None:
        self._folder = folder
        board = load_board("nrf5340dk_sim")
        assert board.sim is not None
        sim = board.sim.model_copy(update={"reads_halt": reads_halt})
        self._kit = SimUnit(board.model_copy(update={"sim": sim}), "kit", folder / "kit")
        self._environment = dict(os.environ)
        self._tools = folder / "bin"
        for tool in tools:
            if tool == "pynrfjprog":
                write_package(self._tools, self._kit.control_address, SERIAL_NUMBER)
            else:
                write_tool(self._tools, tool, self._kit.control_address, SERIAL_NUMBER, without)
        runner = tools[0] if len(tools) == 1 else None
        self.board: BoardType = load_board("nrf5340dk").with_runner(runner)
        self.firmware = DemoSource(load_board("nrf5340dk_sim"), folder / "firmware")

    def __enter__(self) -> "FakeKit":
        """Put the tools on the PATH."""
        os.environ["PATH"] = f"{self._tools}{os.pathsep}{os.environ['PATH']}"
        packages = os.environ.get("PYTHONPATH", "")
        os.environ["PYTHONPATH"] = f"{self._tools}{os.pathsep}{packages}".rstrip(os.pathsep)
        os.environ["XDG_CACHE_HOME"] = str(self._folder / "cache")
        # A blank kit prints nothing that tells its ports apart.
        attached = self.attached()
        vcom_memory().remember(attached, attached.vcoms[-1])
        return self

    def __exit__(
        self,
        exception_type: type[BaseException] | None,
        exception: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        """End the kit."""
        os.environ.clear()
        os.environ.update(self._environment)
        self._kit.release()

    @property
    def hci(self) -> str:
        """bumble's name of the controller that hears the kit."""
        return self._kit.hci

    def attached(self) -> AttachedKit:
        """The kit as USB shows it."""
        vcoms = (Vcom(port, port, 2 * place) for place, port in enumerate(self._kit.vcoms))
        return AttachedKit(SERIAL_NUMBER, tuple(vcoms))

    def unit(self, folder: Path, recorder: FlightRecorder | None) -> Unit:
        """The kit as a session takes it."""
        radio = HciController(self._kit.hci)
        return find_kit(
            self.board, folder, SERIAL_NUMBER, radio, lambda: (self.attached(),), recorder
        )

    def bench(self, folder: Path, recorder: FlightRecorder) -> Bench:
        """The kit as first contact has it."""

        def take(
            board: BoardType,
            worker: str,
            log_folder: Path,
            device_id: str | None,
            radio: HostRadio | None,
            recorder: FlightRecorder | None,
        ) -> Unit:
            del board, worker, device_id, radio
            return self.unit(log_folder, recorder)

        return Bench(
            self.board,
            self.firmware.baseline,
            folder,
            recorder,
            SERIAL_NUMBER,
            take=take,
            look=lambda: (self.attached(),),
        )

    def protect(self) -> None:
        """Close the access port: the tools refuse all but a recovery from now on."""
        (self._tools / "protected").touch()
