"""BlueZ's pairing agent for one connection: answers for the board, and for nobody else.

BlueZ pairs by itself when a board asks for it at the subscription, and asks the default agent;
without an agent the subscription never ends. Linux only.
"""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING

from pytest_nrf_fota.deadline import Deadline
from pytest_nrf_fota.errors import FotaError
from pytest_nrf_fota.smp.bluez_bus import bluez_bus, call
from pytest_nrf_fota.smp.pairing import HostPairing

if TYPE_CHECKING:
    from dbus_fast.aio import MessageBus
    from dbus_fast.message import Message

_PATH = "/pytest_nrf_fota/agent"
_INTERFACE = "org.bluez.Agent1"
_MANAGER = "org.bluez.AgentManager1"
_REJECTED = "org.bluez.Error.Rejected"
# The board shows its passkey within a few connection intervals.
_PASSKEY_TIMEOUT_S = 5.0


class PairingAgent:
    """What happened at the agent: `demanded` is set once BlueZ asked it to pair with the board.

    `error` is why no passkey could be given.
    """

    def __init__(self, pairing: HostPairing, address: str) -> None:
        # From here on the console is watched: the board may show its passkey before BlueZ asks.
        source = pairing.passkey_source if pairing.method == "passkey" else None
        self._wait_for_passkey = source() if source is not None else None
        self._device = f"/dev_{address.replace(':', '_').upper()}"
        self._answering: set[asyncio.Task[None]] = set()
        self.demanded = False
        self.error: FotaError | None = None

    def take(self, bus: "MessageBus", message: "Message") -> bool:
        """Answer a call to the agent; returns whether it was one."""
        if message.path != _PATH or message.interface != _INTERFACE:
            return False
        task = asyncio.ensure_future(self._answer(bus, message))
        self._answering.add(task)
        task.add_done_callback(self._answering.discard)
        return True

    async def _answer(self, bus: "MessageBus", message: "Message") -> None:
        await bus.send(await self._reply(message))

    async def _reply(self, message: "Message") -> "Message":
        from dbus_fast.message import Message

        match message.member:
            case "Release" | "Cancel":
                return Message.new_method_return(message)
            case "RequestPasskey" if self._is_our_board(message):
                passkey = await self._passkey()
                if passkey is not None:
                    return Message.new_method_return(message, "u", [passkey])
            # With either method: a board that can show no passkey pairs without one.
            case "RequestAuthorization" | "RequestConfirmation" if self._is_our_board(message):
                return Message.new_method_return(message)
        return Message.new_error(message, _REJECTED, "not by pytest-nrf-fota")

    def _is_our_board(self, message: "Message") -> bool:
        is_our_board = str(message.body[0]).endswith(self._device)
        self.demanded = self.demanded or is_our_board
        return is_our_board

    async def _passkey(self) -> int | None:
        if self._wait_for_passkey is None:
            return None
        deadline = Deadline.after(_PASSKEY_TIMEOUT_S)
        try:
            return await asyncio.to_thread(self._wait_for_passkey, deadline)
        except FotaError as error:
            self.error = error
            return None


@asynccontextmanager
async def pairing_agent(pairing: HostPairing, address: str) -> AsyncIterator[PairingAgent]:
    """Be BlueZ's default agent for as long as this lasts; the one before takes over again.

    Raises `RadioLostError` where BlueZ does not take it.
    """
    agent = PairingAgent(pairing, address)
    capability = "KeyboardOnly" if pairing.method == "passkey" else "NoInputNoOutput"
    async with bluez_bus() as bus:
        bus.add_message_handler(lambda message: agent.take(bus, message) or None)
        await call(bus, "/org/bluez", f"{_MANAGER}.RegisterAgent", "os", [_PATH, capability])
        await call(bus, "/org/bluez", f"{_MANAGER}.RequestDefaultAgent", "o", [_PATH])
        yield agent
        # BlueZ forgets the agent when this connection to the bus ends.
