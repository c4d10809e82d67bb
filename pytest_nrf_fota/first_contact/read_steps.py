"""The question: does a read over SWD halt the firmware? For each tool, and each kind of memory."""

from collections.abc import Callable

from pytest_nrf_fota.errors import FotaError
from pytest_nrf_fota.first_contact.bench import Bench, SkippedError
from pytest_nrf_fota.first_contact.sign_of_life import let_go, require_life, uptime
from pytest_nrf_fota.first_contact.step import Found, Step, held
from pytest_nrf_fota.probe.fault import ProbeFaultError
from pytest_nrf_fota.wires.probe import Probe


def _application_flash(bench: Bench) -> int:
    return bench.board.slots.primary.address


def _otp(bench: Bench) -> int:
    otp = bench.board.soc.application.otp
    if not otp:
        raise SkippedError(f"{bench.board.soc.title} has no OTP")
    return otp.start


def _external_flash(bench: Bench) -> int:
    if bench.board.external_flash is None:
        raise SkippedError("the board has no external flash")
    return bench.board.soc.external_window.start


def _network_flash(bench: Bench) -> int:
    network = bench.board.soc.network
    if network is None:
        raise SkippedError(f"{bench.board.soc.title} has no network core")
    return network.flash.start


def _reading(
    place: Callable[[Bench], int], size_bytes: int, *, may_be_refused: bool = False
) -> Callable[[Bench], Found]:
    """A step that reads so many bytes through each tool, and asks the shell before and after.

    `may_be_refused`: whether it holds, too, where the tool reads nothing.
    """

    def run(bench: Bench) -> Found:
        address = place(bench)
        require_life(bench)
        all_go_on = True
        lines: list[str] = []
        for name, probe in bench.probes.items():
            refusal, goes_on, said = _read(bench, probe, address, size_bytes)
            all_go_on = all_go_on and goes_on and (may_be_refused or not refusal)
            lines.append(f"{name}: {refusal}{said}")
        return held(all_go_on, f"0x{address:x}: {'; '.join(lines)}")

    return run


def _read(bench: Bench, probe: Probe, address: int, size_bytes: int) -> tuple[str, bool, str]:
    """The tool's refusal, or nothing; whether the firmware goes on; that in words."""
    refusal = ""
    try:
        probe.read(address, size_bytes, bench.deadline())
    except FotaError as error:
        kind = error.fault.value if isinstance(error, ProbeFaultError) else error.what
        refusal = f"refused ({kind}), "
    if uptime(bench) is not None:
        return refusal, True, "the firmware goes on"
    how = let_go(bench, probe, bench.board.soc.core_of(address))
    return refusal, False, f"the firmware stands still, and {how}"


def _while_connected(bench: Bench) -> Found:
    if bench.board.radio.kind != "ble":
        raise SkippedError("SMP does not go over BLE")
    address = _application_flash(bench)
    all_go_on = True
    lines: list[str] = []
    for name, probe in bench.probes.items():
        bench.dut.connect()
        bench.dut.mcumgr.echo("before")
        try:
            probe.read(address, 4, bench.deadline())
            bench.dut.mcumgr.echo("after")
            lines.append(f"{name}: the connection holds")
        except FotaError as error:
            all_go_on = False
            lines.append(f"{name}: {error.what}")
            bench.dut.mcumgr.disconnect()
            let_go(bench, probe, bench.board.soc.core_of(address))
    bench.dut.mcumgr.disconnect()
    return held(all_go_on, "; ".join(lines))


STEPS = (
    Step(
        "read, running",
        "Reads 4 bytes of flash through each tool, and asks the shell before and after.",
        _reading(_application_flash, 4),
    ),
    Step("read, connected", "Connects, reads 4 bytes, and asks over SMP.", _while_connected),
    # OTP gives aligned words alone (sdk-nrf, bl_storage), and nothing here reads less.
    Step(
        "OTP, 2 bytes",
        "Reads 2 bytes of OTP, which the tool may refuse, and asks the shell.",
        _reading(_otp, 2, may_be_refused=True),
    ),
    Step("OTP, 4 bytes", "Reads 4 bytes of OTP, and asks the shell.", _reading(_otp, 4)),
    Step(
        "network core's flash",
        "Reads 4 bytes of it, and asks the shell.",
        _reading(_network_flash, 4),
    ),
    Step(
        "external flash",
        "Reads 4 bytes of the XIP window while the application owns QSPI, and asks the shell.",
        _reading(_external_flash, 4),
    ),
)
