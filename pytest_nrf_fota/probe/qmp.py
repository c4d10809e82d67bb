"""QEMU's machine protocol (QMP) for callers that are not asynchronous.

The protocol itself is the official library `qemu.qmp`. It is asynchronous; its synchronous module
`qemu.qmp.legacy` cannot be used, because it takes over the caller's event loop and so fails inside
asynchronous tests. So the client runs in an event loop on a thread of its own.
"""

import asyncio
import contextlib
import socket
from collections.abc import Awaitable, Callable, Mapping
from typing import TypeVar

from qemu.qmp import QMPClient, QMPError

from pytest_nrf_fota.deadline import Deadline
from pytest_nrf_fota.errors import ProbeError
from pytest_nrf_fota.portal import start_portal

_CLOSE_TIMEOUT_S = 2.0
_Result = TypeVar("_Result")


class QmpMonitor:
    """One QMP connection; safe to use from any thread.

    Args:
        connection: a connected stream socket; this object owns it from now on.
        deadline: by when QEMU must have greeted.
        where: how messages name the other side.

    Raises:
        ProbeError: QEMU does not answer, or ended before it did.
    """

    def __init__(self, connection: socket.socket, deadline: Deadline, where: str) -> None:
        self._where = where
        self._portal, self._end_portal = start_portal(self)
        try:
            self._client = self._portal.call(QMPClient, where)
            connection.setblocking(False)
            self._run(lambda: self._client.connect(connection), "connect", deadline)
        except BaseException:
            connection.close()
            self._end_portal()
            raise

    def execute(
        self,
        command: str,
        deadline: Deadline,
        arguments: Mapping[str, object] | None = None,
    ) -> object:
        """Run one command; returns its result.

        Raises:
            ProbeError: QEMU refuses the command, is gone, or the deadline expired.
        """
        return self._run(
            lambda: self._client.execute(command, dict(arguments or {})), command, deadline
        )

    def execute_until_event(self, command: str, event: str, deadline: Deadline) -> None:
        """Run one command and wait for the event that tells that it was carried out.

        Raises:
            ProbeError: as `execute`, also when the event does not come.
        """
        self._run(
            lambda: self._execute_until_event(command, event),
            f"{command} until {event}",
            deadline,
        )

    def close(self) -> None:
        """Close the connection; QEMU goes on. Never raises."""
        with contextlib.suppress(Exception):
            # A connection that QEMU ended raises here what ended it.
            self._run(self._client.disconnect, "disconnect", Deadline.after(_CLOSE_TIMEOUT_S))
        with contextlib.suppress(Exception):
            self._end_portal()

    async def _execute_until_event(self, command: str, event: str) -> None:
        with self._client.listener(event) as listener:
            await self._client.execute(command)
            await listener.get()

    def _run(
        self, work: Callable[[], Awaitable[_Result]], what: str, deadline: Deadline
    ) -> _Result:
        async def work_within_the_deadline() -> _Result:
            return await asyncio.wait_for(work(), deadline.remaining_s)

        try:
            return self._portal.call(work_within_the_deadline)
        except asyncio.TimeoutError:
            raise ProbeError(
                f"QEMU did not answer `{what}` within {deadline.allowed_s:g} s.",
                where=self._where,
                next_step="Is the host overloaded? See QEMU's own output; raise the time limit.",
            ) from None
        except (QMPError, OSError, EOFError, RuntimeError) as error:
            # RuntimeError: anyio's own when this monitor was closed.
            raise ProbeError(
                f"QEMU refuses or cannot do `{what}`: {error}",
                where=self._where,
                next_step="See QEMU's own output, qemu.log in the work directory.",
            ) from error
