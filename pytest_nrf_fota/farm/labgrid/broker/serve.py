"""The broker's process: requests in, answers and events out, everything released at its end."""

import asyncio
import contextlib
import json
import logging
import os
import signal
import sys
from collections.abc import Awaitable, Callable, Sequence

from pytest_nrf_fota.farm.labgrid.broker.broker import Broker
from pytest_nrf_fota.farm.labgrid.broker.farm_values import Json, RefusedError

_WATCH_PARENT_S = 1.0
_CANCEL_AGAIN_S = 1.0
_CANCELLATIONS = 10


def main(arguments: Sequence[str]) -> int:
    """Run until the standard input ends; `arguments` as in `run.py`."""
    address, owner, renew_s = arguments
    # labgrid and grpc print; only messages belong on the way out.
    out = os.fdopen(os.dup(1), "w", encoding="utf-8", buffering=1)
    os.dup2(2, 1)
    logging.basicConfig(level=logging.INFO, stream=sys.stderr, format="%(asctime)s %(message)s")

    def write(message: Json) -> None:
        with contextlib.suppress(OSError):
            print(json.dumps(message), file=out)

    try:
        import grpc
        import labgrid.remote.generated.labgrid_coordinator_pb2_grpc  # noqa: F401
    except ImportError as error:
        text = f"{sys.executable} cannot import labgrid: {error}"
        write({"kind": "refused", "id": None, "reason": "no_labgrid", "text": text})
        return 1
    del grpc
    asyncio.run(serve(address, owner, float(renew_s), write))
    return 0


async def serve(address: str, owner: str, renew_s: float, write: Callable[[Json], None]) -> None:
    """Serve the standard input until it ends, then release everything."""
    loop = asyncio.get_running_loop()
    end = asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGHUP):
        loop.add_signal_handler(number, end.set)
    # Ctrl-C is for pytest, which closes our input once it is done.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    lines = asyncio.StreamReader(limit=1 << 20)
    await loop.connect_read_pipe(lambda: asyncio.StreamReaderProtocol(lines), sys.stdin)
    broker = Broker(address, owner, renew_s, write)
    tasks: set[asyncio.Task[None]] = set()

    def start(work: Awaitable[None]) -> None:
        task = asyncio.ensure_future(work)
        tasks.add(task)
        task.add_done_callback(tasks.discard)

    async def read() -> None:
        async for line in lines:
            start(broker.answer(json.loads(line)))
        end.set()

    async def watch_parent() -> None:
        # A process that the parent forked may still hold the other end of our input.
        parent = os.getppid()
        while os.getppid() == parent:
            await asyncio.sleep(_WATCH_PARENT_S)
        end.set()

    try:
        await broker.start()
        for work in (read(), watch_parent(), broker.keep()):
            start(work)
        await end.wait()
    except RefusedError as error:
        write({"kind": "refused", "id": None, "reason": error.reason, "text": str(error)})
    finally:
        remaining = set(tasks)
        for _ in range(_CANCELLATIONS):
            # More than one: wait_for of Python 3.11 may swallow it. What a request had to put back
            # is released below.
            for task in remaining:
                task.cancel()
            if remaining:
                _, remaining = await asyncio.wait(remaining, timeout=_CANCEL_AGAIN_S)
        await broker.release_all()
        if remaining:
            logging.error("not ended: %s", remaining)
            # asyncio would wait for them without a limit.
            os._exit(1)
