"""What is known of one update. Every fact may be missing; None is never a no."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, TypeAlias

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
    """

    update: "AppIdentity"
    before: "AppIdentity | None"
    running: "AppIdentity | None"
    swaps: bool = True

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
    """How it went to set the update pending: whether that was tried, and why it was refused."""

    was_tried: bool = True
    refusal: str | None = None


@dataclass(frozen=True)
class AppLines:
    """What the running application and its SMP server printed, each in the order of the log.

    Args:
        attempts: an upload, a download or setting pending began, or was refused.
        refused: the server refused it.
        scheduled: the application set an update pending itself.
        asked: the swap type that was asked for, as an upload does.
        runs_test: the next boot would revert what runs.
        confirmed: what runs was confirmed.
        first_starts: MCUboot notes that it starts an image for the first time.
    """

    attempts: tuple[Seen, ...] = ()
    refused: tuple[Seen, ...] = ()
    scheduled: tuple[Seen, ...] = ()
    asked: tuple[SwapTypeLine, ...] = ()
    runs_test: tuple[Seen, ...] = ()
    confirmed: tuple[Seen, ...] = ()
    first_starts: tuple[Seen, ...] = ()


@dataclass(frozen=True)
class Facts:
    """All that a judge is given of one update.

    Args:
        boots: read from the UART; since the image was set pending, where `update` is known.
        app_lines: what the application said in them.
        client: what a client did and was answered, as its log or a recording tells.
        client_log_is_apart: it comes from another input, whose lines are not the board's.
        update: what was sent, and what memory holds of it.
        marking: how it was set pending; None where only lines tell.
        images: the image list now; None where nobody answered.
        memory_unread: why memory was not read, so that what `update` has of it says nothing.
        must_be_ready: an application without the line that the board calls ready is no upgrade.
    """

    boots: Sequence[Boot] = ()
    app_lines: AppLines = AppLines()
    client: ClientSide = NO_CLIENT
    client_log_is_apart: bool = False
    update: Update | None = None
    marking: Marking | None = None
    images: "Sequence[ImageState] | None" = None
    memory_unread: str = ""
    must_be_ready: bool = False

    def boots_after(self, seen: Seen) -> list[Boot]:
        """The boots that begin behind a line of the log."""
        return [boot for boot in self.boots if boot.first.line_number > seen.line_number]
