"""Signs that two boards' text is in one log."""

from collections.abc import Iterable, Sequence

from pytest_nrf_fota.bootlog.report import Boot, Seen, TwoBoards
from pytest_nrf_fota.bootlog.segments import RawLine

# Printed once in each boot: two of them in a row are two boards that boot together.
_ONCE = frozenset(
    {
        *("nsib_attempt", "nsib_address", "nsib_verified", "mcuboot_start", "chainload", "jump"),
        *("mcuboot_banner", "nsib_counter", "swap_start"),
    }
)
# Zephyr's deferred log may swap lines of threads, by far less than this.
_BACKWARDS_S = 0.5
_LEAST_ALTERNATIONS = 3
_LEAST_TWINS = 2
_MOST_SIGNS = 20


class TwoBoardsWatch:
    """Watches a log for a second board: two clocks, lines twice, two Bluetooth addresses."""

    def __init__(self) -> None:
        self._before: RawLine | None = None
        self._twins: list[Seen] = []
        self._backwards: list[Seen] = []
        self._alternations = 0
        self._went_back_from_s: float | None = None
        self._last_uptime_s: float | None = None
        self._addresses: dict[str, Seen] = {}

    def new_stage(self) -> None:
        """A stage began: the board's clock starts anew."""
        self._last_uptime_s = None
        self._went_back_from_s = None

    def take(self, line: RawLine) -> None:
        """The next line."""
        self._take_twin(line)
        self._take_uptime(line)
        identity = line.facts.hit("identity")
        if identity is not None and len(self._addresses) < _MOST_SIGNS:
            self._addresses.setdefault((identity.text("address") or "").upper(), line.seen())

    def close(self, boots: Iterable[Boot], of_other_ports: Sequence[Seen] = ()) -> TwoBoards | None:
        """What was found, also in these boots; None where nothing speaks for a second board.

        `of_other_ports` are lines that a capture tool marks as another port's.
        """
        for boot in boots:
            app = boot.app
            if app is not None and app.identity_address and app.identity_seen is not None:
                self._addresses.setdefault(app.identity_address, app.identity_seen)
        interleaved = self._alternations >= _LEAST_ALTERNATIONS or len(self._twins) >= _LEAST_TWINS
        if not interleaved and len(self._addresses) < 2:
            # They were told apart, so nothing is mixed up.
            return TwoBoards(False, (), tuple(of_other_ports)) if of_other_ports else None
        signs = [*self._addresses.values()] if len(self._addresses) > 1 else []
        if interleaved:
            signs += self._twins + self._backwards
        return TwoBoards(interleaved, tuple(self._addresses), tuple(signs[:_MOST_SIGNS]))

    def _take_twin(self, line: RawLine) -> None:
        before, self._before = self._before, line
        if before is None or _ONCE.isdisjoint(line.facts.names):
            return
        twin = before.facts.names & line.facts.names & _ONCE
        if twin and len(self._twins) < _MOST_SIGNS:
            self._twins.append(line.seen())

    def _take_uptime(self, line: RawLine) -> None:
        now, before = line.uptime_s, self._last_uptime_s
        if now is None:
            return
        self._last_uptime_s = now
        if before is None:
            return
        if now < before - _BACKWARDS_S:
            self._went_back_from_s = before
            if len(self._backwards) < _MOST_SIGNS:
                self._backwards.append(line.seen())
        elif self._went_back_from_s is not None and now >= self._went_back_from_s:
            self._alternations += 1
            self._went_back_from_s = None
