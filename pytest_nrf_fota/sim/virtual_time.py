"""An asyncio event loop whose clock jumps to the next timer instead of waiting for it.

For benchmarks and tests of code that waits: an upload of a minute takes what Python needs to
compute it, and the same input gives the same times. Whatever waits for something outside of the
loop (a socket, a thread) does not belong in it: nothing ready and no timer is an error here, never
a wait.
"""

import asyncio
import selectors
from collections.abc import Coroutine
from typing import TypeVar

_Result = TypeVar("_Result")


class _JumpingSelector(selectors.DefaultSelector):
    """Finds nothing ready, so time jumps instead of passing."""

    def __init__(self) -> None:
        super().__init__()
        self.now_s = 0.0

    def select(self, timeout: float | None = None) -> list[tuple[selectors.SelectorKey, int]]:
        if timeout is None:
            raise RuntimeError("In virtual time everything waits, and no timer is set.")
        self.now_s += max(0.0, timeout)
        return []


class VirtualTimeLoop(asyncio.SelectorEventLoop):
    """asyncio's own loop with such a clock, which begins at 0 s."""

    def __init__(self) -> None:
        self._jumping = _JumpingSelector()
        super().__init__(self._jumping)

    def time(self) -> float:
        """Seconds of virtual time."""
        return self._jumping.now_s


def run_in_virtual_time(work: Coroutine[object, object, _Result]) -> _Result:
    """Run a coroutine to its end, and cancel what it left behind."""
    loop = VirtualTimeLoop()
    try:
        return loop.run_until_complete(work)
    finally:
        loop.run_until_complete(_cancel(asyncio.all_tasks(loop)))
        loop.run_until_complete(loop.shutdown_asyncgens())
        loop.close()


async def _cancel(tasks: set[asyncio.Task[object]]) -> None:
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)
