"""Calls from other threads into the one of an event loop."""

import asyncio
import threading
from collections.abc import Callable
from typing import ParamSpec, TypeVar

_Parameters = ParamSpec("_Parameters")
_Result = TypeVar("_Result")


class LoopThread:
    """The thread of an event loop, from `start` on."""

    def __init__(self) -> None:
        self._loop: asyncio.AbstractEventLoop | None = None
        self._thread = threading.get_ident()

    def start(self) -> None:
        """Take the loop that runs in this thread."""
        self._loop, self._thread = asyncio.get_running_loop(), threading.get_ident()

    def for_any(self, function: Callable[_Parameters, _Result]) -> Callable[_Parameters, _Result]:
        """The same function for any thread: it runs in the loop's; what it raises comes back."""

        def call(*args: _Parameters.args, **kwargs: _Parameters.kwargs) -> _Result:
            if self._loop is None or threading.get_ident() == self._thread:
                return function(*args, **kwargs)

            async def run() -> _Result:
                return function(*args, **kwargs)

            return asyncio.run_coroutine_threadsafe(run(), self._loop).result()

        return call
