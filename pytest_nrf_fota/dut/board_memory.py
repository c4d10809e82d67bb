"""A board's memory over SWD, read so that the running firmware does not suffer.

Many tools halt the CPU for a read and leave it halted. So what is needed is read before SMP
connects, in as few calls as possible, and what must be read later is followed by a resume.
"""

from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from typing import TypeAlias

from pytest_nrf_fota.boards.board import BoardType
from pytest_nrf_fota.bootlog.report import Boot
from pytest_nrf_fota.deadline import Deadline
from pytest_nrf_fota.errors import ProbeError
from pytest_nrf_fota.firmware.fw_info import ReadMemory
from pytest_nrf_fota.probe.read_effect import ProbeReads, ReadEffect, cannot_read
from pytest_nrf_fota.probe.remembering import WORD_BYTES, RememberingProbe

Range: TypeAlias = tuple[int, int]
"""Start and end of a piece of memory."""


class NotReadError(Exception):
    """Memory is not read, because that would stop the firmware or cannot be done; says why."""


@dataclass(frozen=True)
class Changes:
    """What happened so far by which the board's memory may have changed.

    Args:
        boots: that the console has seen.
        resets: by the probe.
        smp_writes: requests after which the server may have written.
        typed_bytes: sent to the console, the shell's commands among them.
    """

    boots: int
    resets: int
    smp_writes: int
    typed_bytes: int

    @property
    def of_external_flash(self) -> tuple[int, int]:
        """Those that can reach an erased external flash: a boot takes nothing from there."""
        return self.smp_writes, self.typed_bytes


@dataclass(frozen=True)
class BoardHooks:
    """What the memory needs of the rest of the board.

    Args:
        changes: see there.
        let_go: ends the SMP connection, which does not survive a halted CPU.
        shows_life: whether the application answers now.
        restart: resets the board, waits for its application and returns the boots since.
        note: what is written into the flight recorder.
        tell: what a run says about the probe's reads at its end.
    """

    changes: Callable[[], Changes]
    let_go: Callable[[], None]
    shows_life: Callable[[], bool]
    restart: Callable[[], tuple[Boot, ...]]
    note: Callable[[str], None]
    tell: Callable[[str], None]


class BoardMemory:
    """The memory of one board.

    Args:
        board: its type.
        probe: reads it.
        reads: what this session knows of the probe's reads.
        hooks: the rest of the board.
    """

    def __init__(
        self, board: BoardType, probe: RememberingProbe, reads: ProbeReads, hooks: BoardHooks
    ) -> None:
        self._board = board
        self._probe = probe
        self._reads = reads
        self._hooks = hooks
        self._read_at = hooks.changes()
        self._external_erased_at: tuple[int, int] | None = None

    def read(self, address: int, size_bytes: int) -> bytes:
        """Read memory as it is now, for a test that asks for it.

        The SMP connection ends first, unless reads are known to be harmless; a CPU that was halted
        goes on afterwards.
        """
        self._spare_connection()
        try:
            return self._probe.read(address, size_bytes, self._deadline())
        finally:
            self._settle()

    @contextmanager
    def before_writing(self, ranges: Iterable[Range] = ()) -> Iterator[ReadMemory]:
        """Read what somebody is about to overwrite or reset: the CPU may stay halted."""
        self._forget_if_changed()
        self._probe.fetch(ranges, self._deadline())
        yield self._recall

    @contextmanager
    def typing_harmlessly(self) -> Iterator[None]:
        """What is typed meanwhile writes to no flash."""
        before = self._hooks.changes()
        try:
            yield
        finally:
            self._pass_over_typing(before, self._hooks.changes())

    def _pass_over_typing(self, before: Changes, after: Changes) -> None:
        if after != replace(before, typed_bytes=after.typed_bytes):
            return
        if self._read_at == before:
            self._read_at = after
        if self._external_erased_at == before.of_external_flash:
            self._external_erased_at = after.of_external_flash

    def external_flash_was_erased(self) -> None:
        """It is erased now."""
        self._external_erased_at = self._hooks.changes().of_external_flash

    def external_flash_was_written(self) -> None:
        """The probe wrote something there."""
        self._external_erased_at = None

    @property
    def external_flash_is_erased(self) -> bool:
        """Whether it is known to be, because nothing has written there since somebody erased it."""
        return self._external_erased_at == self._hooks.changes().of_external_flash

    @contextmanager
    def of_running_firmware(self, ranges: Iterable[Range] = ()) -> Iterator[ReadMemory]:
        """Read while the firmware runs, and let it go on.

        What was read since the last change of the board counts. Raises `NotReadError` where
        something else is needed and reads do harm or are impossible.

        Args:
            ranges: what will be needed: read at once, in as few calls as possible.
        """
        self._forget_if_changed()
        wanted = list(ranges)

        def recall(address: int, size_bytes: int) -> bytes:
            if self._probe.is_remembered(address, size_bytes):
                return self._recall(address, size_bytes)
            self._refuse_harm()
            self._spare_connection()
            with self._telling_what_is_impossible():
                return self._recall(address, size_bytes)

        try:
            if not all(self._probe.is_remembered(start, end - start) for start, end in wanted):
                self._refuse_harm()
                self._spare_connection()
                with self._telling_what_is_impossible():
                    self._probe.fetch(wanted, self._deadline())
            yield recall
        finally:
            self._settle()

    def survived(self, boots: tuple[Boot, ...]) -> None:
        """After a reset: what was read before it still counts, if the boots show so."""
        if len(boots) == 1 and wrote_nothing(boots[0], self._board):
            self._read_at = self._hooks.changes()

    def try_reads(self) -> None:
        """Find out what a read does to the application, which runs; once per session."""
        if self._reads.effect is not None:
            return
        self._forget_if_changed()
        self._hooks.let_go()
        if not self._hooks.shows_life():
            self._hooks.note("what a read does to the firmware cannot be seen: it answers nobody")
            return
        effect, note = self._try_one_read(), self._hooks.note
        self._reads.found(effect)
        # That a virtual kit's reads do no harm is no news.
        tell = self._hooks.tell if self._reads.tool or effect is not ReadEffect.HARMLESS else note
        tell(effect.value)
        if effect is ReadEffect.STOPS:
            is_current = self._hooks.changes() == self._read_at
            boots = self._hooks.restart()
            if is_current:
                self.survived(boots)

    def _try_one_read(self) -> ReadEffect:
        boots = self._hooks.changes().boots
        try:
            self._probe.read(self._board.memory[0].start, WORD_BYTES, self._deadline())
        except ProbeError as error:
            if cannot_read(error):
                return ReadEffect.CANNOT_READ
            raise
        if self._hooks.shows_life():
            effect = ReadEffect.HARMLESS
            self._probe.let_run()
        else:
            try:
                self._resume()
                # Firmware that missed its radio's deadlines may crash, and boot.
                goes_on = self._hooks.shows_life() and self._hooks.changes().boots == boots
            except ProbeError as error:
                self._hooks.note(f"the CPU was not resumed: {error.what}")
                goes_on = False
            effect = ReadEffect.HALTS if goes_on else ReadEffect.STOPS
        return effect

    def _recall(self, address: int, size_bytes: int) -> bytes:
        return self._probe.recall(address, size_bytes, self._deadline())

    def _forget_if_changed(self) -> None:
        now = self._hooks.changes()
        if now != self._read_at:
            self._probe.forget()
            self._read_at = now

    def _refuse_harm(self) -> None:
        effect = self._reads.effect
        if effect is not None and not effect.allows_reads:
            raise NotReadError(effect.value)

    @contextmanager
    def _telling_what_is_impossible(self) -> Iterator[None]:
        try:
            yield
        except ProbeError as error:
            if not cannot_read(error):
                raise
            self._reads.found(ReadEffect.CANNOT_READ)
            self._hooks.tell(f"{ReadEffect.CANNOT_READ.value}, so there is no evidence over SWD")
            raise NotReadError(ReadEffect.CANNOT_READ.value) from error

    def _spare_connection(self) -> None:
        if self._reads.effect is not ReadEffect.HARMLESS:
            self._hooks.let_go()

    def _settle(self) -> None:
        if self._reads.effect is ReadEffect.HARMLESS:
            self._probe.let_run()
            return
        if self._reads.effect is ReadEffect.CANNOT_READ:
            return
        try:
            self._resume()
        except ProbeError as error:
            if not cannot_read(error):
                raise
            self._reads.found(ReadEffect.STOPS)
            self._hooks.tell(f"{ReadEffect.STOPS.value}: {error.what}")

    def _resume(self) -> None:
        for core in sorted(self._probe.halted, key=lambda core: core.value):
            self._probe.resume(core, self._deadline())

    def _deadline(self) -> Deadline:
        return Deadline.after(self._board.timeouts.probe_s)


def wrote_nothing(boot: Boot, board: BoardType) -> bool:
    """Whether the lines of a boot show that no bootloader changed the flash or OTP.

    Each of them must have spoken: from one that was built without its log nothing follows. NSIB
    prints when it stores a version and when it invalidates a slot, MCUboot what it decided for
    each image.
    """
    nsib, mcuboot = boot.nsib, boot.mcuboot
    if boot.start_is_missing or boot.faults or boot.refusals or not boot.app_ready:
        return False
    if board.slots.s0 is not None and (
        nsib is None or nsib.booted is None or nsib.errors or boot.counter_set_to is not None
    ):
        return False
    if mcuboot is None or not mcuboot.rounds:
        return False
    decided_nothing = all(
        one.decision is not None and one.decision.swap_type == "none" for one in mcuboot.rounds
    )
    touched = mcuboot.swaps or mcuboot.cleaned_up or mcuboot.erased or mcuboot.refusals
    return decided_nothing and not touched and boot.network_core is None
