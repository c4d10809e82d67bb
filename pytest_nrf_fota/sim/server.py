"""Serves the control protocol of one kit."""

import asyncio
import traceback
from pathlib import Path

from pydantic import ValidationError
from typing_extensions import assert_never

from pytest_nrf_fota.errors import PackageError
from pytest_nrf_fota.firmware.hex_file import read_hex
from pytest_nrf_fota.sim.control import (
    REQUEST,
    DisarmFaults,
    EraseExternal,
    GetOperations,
    GetState,
    Identify,
    InjectFault,
    PlugConsole,
    Program,
    Read,
    Recover,
    Reply,
    Request,
    Reset,
    Resume,
    SetPower,
)
from pytest_nrf_fota.sim.kit import Kit, KitError, NotModelledByKitError

# A reply to the largest read is hex text of 8 MiB; requests are short.
_LONGEST_LINE_BYTES = 1024 * 1024


class ControlServer:
    """A Unix socket on which any number of clients control the kit, one request at a time."""

    def __init__(self, kit: Kit, socket_path: Path) -> None:
        self._kit = kit
        self._socket_path = socket_path
        self._one_at_a_time = asyncio.Lock()
        self._server: asyncio.Server | None = None
        self._clients: set[asyncio.Task[None]] = set()

    async def start(self) -> None:
        """Listen."""
        self._server = await asyncio.start_unix_server(
            self._accept, str(self._socket_path), limit=_LONGEST_LINE_BYTES
        )

    async def close(self) -> None:
        """Stop listening and let all clients go."""
        if self._server is not None:
            self._server.close()
        for client in self._clients:
            client.cancel()
        await asyncio.gather(*self._clients, return_exceptions=True)

    def _accept(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        # A task of asyncio's own making would log a traceback when it is cancelled (Python 3.11).
        client = asyncio.create_task(self._serve(reader, writer))
        self._clients.add(client)
        client.add_done_callback(self._clients.discard)

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            while line := await reader.readline():
                reply = await self._answer(line)
                writer.write(reply.model_dump_json(exclude_defaults=True).encode() + b"\n")
                await writer.drain()
        except (ConnectionError, ValueError):
            pass  # the client is gone, or sent a line beyond all limits: nothing left to answer
        finally:
            writer.close()

    async def _answer(self, line: bytes) -> Reply:
        try:
            request = REQUEST.validate_json(line)
        except ValidationError as error:
            return Reply(error=f"not a request: {error}")
        async with self._one_at_a_time:
            try:
                reply = await self._execute(request)
                await self._kit.clock.catch_up()
                return reply
            except NotModelledByKitError as error:
                return Reply(error=str(error), not_modelled=True)
            except (KitError, PackageError) as error:
                return Reply(error=str(error))
            except Exception as error:
                # A defect of the kit; the client must not wait for an answer in vain.
                traceback.print_exc()
                return Reply(error=f"the virtual kit failed: {error!r}; see its log")

    async def _execute(self, request: Request) -> Reply:
        match request:
            case Identify() | GetState():
                return Reply(
                    state=self._kit.state,
                    uptime_s=self._kit.clock.now_s,
                    operations=len(self._kit.flash.operations),
                    waiting=self._kit.faults.waiting,
                    modelled_boots=self._kit.modelled_boots,
                )
            case Recover(core=core):
                await self._kit.recover(network=core == "network")
            case Program(hex_file=hex_file):
                await self._kit.program(read_hex(Path(hex_file)))
            case EraseExternal():
                await self._kit.erase_external()
            case Read(address=address, size_bytes=size_bytes):
                return Reply(data=(await self._kit.read(address, size_bytes)).hex())
            case Resume(core=core):
                await self._kit.resume(network=core == "network")
            case Reset():
                await self._kit.reset()
            case SetPower(on=on, starts=starts):
                await self._kit.set_power(on=on, starts=starts)
            case InjectFault():
                await self._kit.faults.inject(request)
            case DisarmFaults():
                self._kit.faults.disarm()
            case PlugConsole(plugged_in=plugged_in):
                self._kit.app_uart.plug(plugged_in=plugged_in)
            case GetOperations(since=since):
                return Reply(log=self._kit.operations_since(since))
            case _:
                assert_never(request)
        return Reply()
