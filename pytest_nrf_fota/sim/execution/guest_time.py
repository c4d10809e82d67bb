"""Time as machine code sees it: moved by what takes time, never by the host's clock.

Instructions take none. Flash operations, waiting for an interrupt, and each look at a counter do;
so the same memories give the same run, operation by operation.
"""

from collections.abc import Callable

LOOK_S = 1 / 32768 / 8
"""What a look at a counter costs, so that polling ends. Less than one tick of the RTC: Zephyr's
Bluetooth controller reads two counters until one of them did not move meanwhile."""


class GuestTime:
    """Seconds since power-on, and who is to be called when.

    Args:
        on_wait: told each step that is not a flash operation, in seconds.
    """

    def __init__(self, on_wait: Callable[[float], None] = lambda step_s: None) -> None:
        self.now_s = 0.0
        self.worked_at_s = 0.0
        self.on_wait = on_wait
        self._timers: list[Callable[[], float | None]] = []
        self._listeners: list[Callable[[], None]] = []

    def add_timer(self, due_s: Callable[[], float | None]) -> None:
        """A timer: `due_s` tells when it is due next, None for never."""
        self._timers.append(due_s)

    def call_on_step(self, listener: Callable[[], None]) -> None:
        """Call whenever time has passed."""
        self._listeners.append(listener)

    def operate(self, duration_s: float = 0.0) -> None:
        """Visible work was done: output, or flash's, which tells the kit's clock itself."""
        self._step(duration_s)
        self.worked_at_s = self.now_s

    @property
    def idle_s(self) -> float:
        """Seconds since work was done that can be seen."""
        return self.now_s - self.worked_at_s

    def wait(self, step_s: float) -> None:
        """Let time pass."""
        self.on_wait(step_s)
        self._step(step_s)

    def _step(self, step_s: float) -> None:
        self.now_s += step_s
        for listener in self._listeners:
            listener()

    def advance_to_next_timer(self) -> bool:
        """Jump to the first moment at which a timer is due; False where none ever is."""
        due = [moment for timer in self._timers if (moment := timer()) is not None]
        if not due:
            return False
        self.wait(max(0.0, min(due) - self.now_s))
        return True
