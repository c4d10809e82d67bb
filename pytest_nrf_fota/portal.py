"""An event loop on a thread of its own, for callers that are not asynchronous."""

import weakref
from collections.abc import Callable

from anyio.from_thread import BlockingPortal, start_blocking_portal


def start_portal(owner: object) -> tuple[BlockingPortal, Callable[[], object]]:
    """Start the event loop's thread; returns the way into it, and what ends it.

    It also ends with its owner, and before the interpreter exits: where it still runs then, anyio
    waits endlessly, for a thread that Python has stopped.
    """
    manager = start_blocking_portal("asyncio")
    portal = manager.__enter__()
    return portal, weakref.finalize(owner, manager.__exit__, None, None, None)
