"""What is known of one update. Every fact may be missing; None is never a no."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, TypeAlias

from pytest_nrf_fota.bootlog.catalogue import Stage
from pytest_nrf_fota.bootlog.client_side import NO_CLIENT, ClientSide
from pytest_nrf_fota.bootlog.report import Boot, Seen, SwapTypeLine

# A log alone is judged without the code that reads images, which needs cryptography.
if TYPE_CHECKING:
    from pytest_nrf_fota.smp.messages import ImageState
    from pytest_nrf_fota.verdict.app_evidence import AppIdentity
    from pytest_nrf_fota.verdict.mcuboot_evidence import McubootTarget, SlotState
    from pytest_nrf_fota.verdict.network_evidence import NetworkTarget


@dataclass(frozen=True)
class AppUpdate:
    """An application that was sent.

    Args:
        update: what was sent.
        before: what ran before it.
        running: what lies now where the application runs: in the primary slot, or in RAM where the
            bootloader does not swap; None where no image lies there.
        swaps: whether the bootloader takes pending images; else it takes the highest version.
        firmware: the code that was sent, for texts that it prints.
        boot_before: the last boot before the update.
    """

    update: "AppIdentity"
    before: "AppIdentity | None"
    running: "AppIdentity | None"
    swaps: bool = True
    firmware: bytes = b""
    boot_before: Boot | None = None

    @property
    def is_in_place(self) -> bool:
        """Whether it lies where it runs."""
        return self.running == self.update


@dataclass(frozen=True)
class McubootUpdate:
    """A MCUboot that was sent for one S0/S1 slot, and what both slots hold now."""

    target: "McubootTarget"
    in_slot: "SlotState"
    in_other: "SlotState"

    @property
    def is_in_place(self) -> bool:
        """Whether its S0/S1 slot holds it, invalidated by NSIB or not."""
        return self.in_slot.holds_update


@dataclass(frozen=True)
class NetworkUpdate:
    """A firmware that was sent for the network core.

    `held` lies now where it is to run. `lines` came from that core since, none where it has no
    UART.
    """

    target: "NetworkTarget"
    held: bytes
    lines: Sequence[str] = ()

    @property
    def is_in_place(self) -> bool:
        """Whether it lies where it runs."""
        return self.held == self.target.firmware


Update: TypeAlias = AppUpdate | McubootUpdate | NetworkUpdate


@dataclass(frozen=True)
class Marking:
    """How it went to send the update and to set it pending.

    Args:
        was_tried: whether somebody asked to set it pending.
        refusal: why the board refused that.
        was_sent: whether it was uploaded.
    """

    was_tried: bool = True
    refusal: str | None = None
    was_sent: bool = True

    @property
    def succeeded(self) -> bool:
        """Whether a swap that follows can be that of the update."""
        return self.was_sent and self.was_tried and self.refusal is None


@dataclass(frozen=True)
class Watch:
    """How well the boots since the image was pending could be watched.

    Args:
        gaps: how often the console's port was away since; boots and lines may be missing.
        resets: how often the harness reset the board since.
        silent: bootloaders that print nothing on this board, as its board file says or the boot
            before the update shows.
        restarts: how often the new application booted again, unasked, while it was watched.
        is_unstable: it did so until the watching was given up.
        lacks_last_boot: the harness reset the board, and no boot was seen since: what was printed
            before tells nothing of what runs now.
    """

    gaps: int = 0
    resets: int = 0
    silent: frozenset[Stage] = frozenset()
    restarts: int = 0
    is_unstable: bool = False
    lacks_last_boot: bool = False

    @property
    def is_incomplete(self) -> bool:
        """Whether the log may lack a boot."""
        return self.gaps > 0 or self.lacks_last_boot


@dataclass(frozen=True)
class AppLines:
    """What the running application and its SMP server printed, each in the order of the log.

    Args:
        attempts: an upload, a download or setting pending began, or was refused.
        failed: a download or an upload ended with an error.
        refused: the server refused it.
        scheduled: the application set an update pending itself.
        asked: the swap type that was asked for, as an upload does.
        runs_test: the next boot would revert what runs.
        unconfirmed: the application says that it is not confirmed.
        confirmed: what runs was confirmed.
        first_starts: MCUboot notes that it starts an image for the first time.
        versions: the application names its own version.
    """

    attempts: tuple[Seen, ...] = ()
    failed: tuple[Seen, ...] = ()
    refused: tuple[Seen, ...] = ()
    scheduled: tuple[Seen, ...] = ()
    asked: tuple[SwapTypeLine, ...] = ()
    runs_test: tuple[Seen, ...] = ()
    unconfirmed: tuple[Seen, ...] = ()
    confirmed: tuple[Seen, ...] = ()
    first_starts: tuple[Seen, ...] = ()
    versions: tuple[tuple[str, Seen], ...] = ()


@dataclass(frozen=True)
class Facts:
    """All that a judge is given of one update.

    Args:
        boots: read from the UART; since the image was set pending, where `update` is known.
        app_lines: what the application said in them.
        client: what a client did and was answered, as its log or a recording tells.
        client_log_is_apart: it comes from another input, whose lines are not the board's.
        client_done: lines with which a client of any kind says that the update succeeded.
        update: what was sent, and what memory holds of it.
        marking: how it was set pending; None where only lines tell.
        images: the image list now; None where nobody answered.
        memory_unread: why memory was not read, so that what `update` has of it says nothing.
        must_be_ready: an application without the line that the board calls ready is no upgrade.
        watch: how well the boots could be watched.
    """

    boots: Sequence[Boot] = ()
    app_lines: AppLines = AppLines()
    client: ClientSide = NO_CLIENT
    client_log_is_apart: bool = False
    client_done: tuple[Seen, ...] = ()
    update: Update | None = None
    marking: Marking | None = None
    images: "Sequence[ImageState] | None" = None
    memory_unread: str = ""
    must_be_ready: bool = False
    watch: Watch = Watch()

    def boots_after(self, seen: Seen) -> list[Boot]:
        """The boots that begin behind a line of the log."""
        return [boot for boot in self.boots if boot.first.line_number > seen.line_number]
