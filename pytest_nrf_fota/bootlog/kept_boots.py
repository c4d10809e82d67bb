"""Which boots of a long log are kept, and which came again and again."""

from collections import deque
from dataclasses import dataclass

from pytest_nrf_fota.bootlog.catalogue import Stage
from pytest_nrf_fota.bootlog.segments import RawBoot

_FIRST_BOOTS = 40
_LAST_BOOTS = 40
_MOST_KINDS_OF_BOOT = 120
_MOST_LOOPS = 50
_LEAST_BOOTS_OF_A_LOOP = 3
_TELLING_OF_APPS = frozenset(
    {"fault", "fatal_error", "assertion", "fault_pc", "watchdog", "identity"}
)


@dataclass
class BootRun:
    """Equal boots in a row."""

    kind: int
    first: RawBoot
    count: int = 1


class KeptBoots:
    """Keeps the first boots, the last, and the first of each kind; counts runs of equal ones."""

    def __init__(self) -> None:
        self._first: list[RawBoot] = []
        self._others: list[RawBoot] = []
        self._last: deque[RawBoot] = deque(maxlen=_LAST_BOOTS)
        self._kinds: set[int] = set()
        self._run: BootRun | None = None
        self._loops: list[BootRun] = []

    def add(self, boot: RawBoot) -> None:
        """The next boot, complete."""
        kind = _kind(boot)
        run = self._run
        if run is not None and run.kind == kind:
            run.count += 1
        else:
            self._end_run()
            self._run = BootRun(kind, boot)
        if len(self._first) < _FIRST_BOOTS:
            self._first.append(boot)
        elif kind not in self._kinds and len(self._others) < _MOST_KINDS_OF_BOOT:
            self._others.append(boot)
        else:
            self._last.append(boot)
        if len(self._kinds) < 10_000:
            self._kinds.add(kind)

    @property
    def has_its_first(self) -> bool:
        """Whether the first boots are kept, so that further ones of a known kind only count."""
        return len(self._first) >= _FIRST_BOOTS

    def add_copies(self, count: int) -> None:
        """Boots that say what the last two said."""
        if self._run is not None:
            self._run.count += count

    @property
    def boots(self) -> list[RawBoot]:
        """The boots that were kept, in order."""
        return sorted((*self._first, *self._others, *self._last), key=lambda boot: boot.number)

    def close(self) -> list[BootRun]:
        """Runs of three and more equal boots."""
        self._end_run()
        return self._loops

    def _end_run(self) -> None:
        run, self._run = self._run, None
        if run is None or run.count < _LEAST_BOOTS_OF_A_LOOP or run.first.start_is_missing:
            return
        if len(self._loops) < _MOST_LOOPS:
            self._loops.append(run)


def _kind(boot: RawBoot) -> int:
    """Equal for boots that said the same, times aside."""
    said: list[object] = []
    for stage in boot.stages:
        said.append(stage.stage)
        is_app = stage.stage is Stage.APP
        said += [
            line.body
            for line in stage.lines
            if not is_app or not line.facts.names.isdisjoint(_TELLING_OF_APPS)
        ]
    return hash(tuple(said))
