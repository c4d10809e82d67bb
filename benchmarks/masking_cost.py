"""What it costs to mask secrets, per line of a UART. Run: python benchmarks/masking_cost.py"""

import tempfile
import time
from collections.abc import Callable
from pathlib import Path

from pytest_nrf_fota.record.events import UartLine
from pytest_nrf_fota.record.recorder import FlightRecorder
from pytest_nrf_fota.record.secrets import Secrets
from pytest_nrf_fota.record.uart_masking import UartMasking

_LINE = (
    "[00:00:00.032,192] <inf> bt_hci_core: HCI: version 5.3 (0x0c) revision 0x224b, "
    "manufacturer 0x0059"
)
_LINES = 50_000
_TOKENS = [f"token-{number:032}" for number in range(5)]


def main() -> None:
    """Print one line for each way that a line of a board takes."""
    for title, secrets in (("no secrets", Secrets()), ("5 tokens", Secrets(_TOKENS))):
        masking = UartMasking(secrets)
        raw = _LINE.encode() + b"\r\n"
        event = UartLine(port="/dev/ttyACM0", text=_LINE)
        with tempfile.TemporaryDirectory() as folder:
            recorder = FlightRecorder(secrets)
            recorder.open(Path(folder) / "recorder.jsonl", "cost", uart_log=Path(folder) / "log")
            costs = {
                "look for secrets": _cost_us(lambda: secrets.may_be_in(_LINE)),  # noqa: B023
                "bytes": _cost_us(lambda: masking.take(raw)),  # noqa: B023
                "event, all of it": _cost_us(lambda: recorder.record(event)),  # noqa: B023
            }
            recorder.close()
        print(f"{title:12}", *(f"{what} {cost:.1f} us  " for what, cost in costs.items()))


def _cost_us(call: Callable[[], object]) -> float:
    started_at_s = time.perf_counter()
    for _ in range(_LINES):
        call()
    return (time.perf_counter() - started_at_s) / _LINES * 1e6


if __name__ == "__main__":
    main()
