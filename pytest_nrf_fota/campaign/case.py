"""One case of the campaign: a board's state, a package, steps, and what goes wrong."""

from dataclasses import dataclass
from enum import Enum


class State(Enum):
    """What an earlier upgrade has left on the board."""

    CLEAN = "clean"
    OTHER_APP_STORED = "another application lies in the secondary slot"
    OTHER_APP_PENDING = "another application is pending"
    OTHER_APP_ON_TEST = "another application runs as test image"
    SECONDARY_GARBAGE = "the secondary slot holds the rest of a cut upload"
    SWAP_CUT = "a swap was cut, the first boot resumes it"
    S1_INVALIDATED = "S1 holds an invalidated MCUboot"
    S1_RUNS = "MCUboot runs from S1"


class Package(Enum):
    """What is sent; see `Variant` for those that are named like one."""

    APP = "app"
    APP_UNSIGNED = "app_unsigned"
    APP_WRONG_KEY = "app_wrong_key"
    APP_TAMPERED = "app_tampered"
    APP_TRUNCATED = "app_truncated"
    APP_TOO_LARGE = "app_too_large"
    APP_SAME_VERSION = "app_same_version"
    APP_OLDER = "app_older"
    APP_NEVER_ADVERTISES = "app_never_advertises"
    APP_HANGS_IN_BOOT = "app_hangs_in_boot"
    APP_FAULTS_IN_BOOT = "app_faults_in_boot"
    APP_CHANGES_ADDRESS = "app_changes_address"
    APP_AND_NETWORK = "app_and_network"
    APP_AND_BAD_NETWORK = "app_and_bad_network"
    NETWORK_ONLY = "network_only"
    MCUBOOT = "mcuboot"
    MCUBOOT_SAME_VERSION = "mcuboot_same_version"
    MCUBOOT_LOW_PACKAGE_VERSION = "mcuboot_low_package_version"
    MCUBOOT_UNPROVISIONED_KEY = "mcuboot_unprovisioned_key"
    MCUBOOT_TAMPERED = "mcuboot_tampered"

    @property
    def is_bootloader(self) -> bool:
        """Whether it is an update of MCUboot."""
        return self.value.startswith("mcuboot")

    @property
    def has_network_core(self) -> bool:
        """Whether it holds an image for the network core."""
        return "network" in self.value


class Step(Enum):
    """What the test does; a step that raises one of our errors is noted, and the test goes on."""

    UPLOAD = "upload"
    UPLOAD_OTHER_SLOT = "upload the file for the slot that runs"
    SECOND_WRITER = "another client uploads another application"
    OTHER_UPGRADE = "another client uploads another application and sets it pending"
    SET_PENDING = "set pending"
    RESET = "reset over SMP"
    FURTHER_RESETS = "the further resets that the update takes"
    ONE_MORE_RESET = "one reset more"


class Fault(Enum):
    """What goes wrong once."""

    NONE = "none"
    POWER_CUT = "the power is cut at a flash operation"
    CONNECTION_LOST = "the connection drops in the upload"
    RESET_IN_UPLOAD = "the board resets in the upload"
    RESET_AT_ERASE = "the board is reset once more while it boots"
    CONSOLE_GAP = "the console is unplugged"
    NOISE = "noise behind a log line"


class Stage(Enum):
    """Who prints on the application core's UART."""

    NSIB = "nsib"
    MCUBOOT = "mcuboot"
    APP = "application"


@dataclass(frozen=True)
class ArmedFault:
    """A fault, and when it strikes.

    Args:
        kind: what happens.
        step: number of the step before which it is armed, from 0.
        amount: of flash operations or erases from then on, or thousandths of the file's size.
    """

    kind: Fault = Fault.NONE
    step: int = 0
    amount: int = 1


@dataclass(frozen=True)
class Case:
    """One upgrade, all of it decided beforehand.

    Args:
        seed: of the campaign that drew it.
        number: which of that campaign's cases.
        board: name of a board with a virtual kit.
        ncs: release of its bootloaders.
        state: what lies on the board.
        package: what is sent.
        steps: what the test does, in this order.
        fault: what goes wrong.
        silent: bootloaders that print nothing.
        lost_per_mille: how many of a thousand UART lines are lost.
    """

    seed: int
    number: int
    board: str
    ncs: str
    state: State = State.CLEAN
    package: Package = Package.APP
    steps: tuple[Step, ...] = (Step.UPLOAD, Step.SET_PENDING, Step.RESET, Step.FURTHER_RESETS)
    fault: ArmedFault = ArmedFault()
    silent: tuple[Stage, ...] = ()
    lost_per_mille: int = 0

    @property
    def is_console_whole(self) -> bool:
        """Whether the console gets all that the bootloaders have to say."""
        harmless = (Fault.CONSOLE_GAP, Fault.NOISE)
        return not self.lost_per_mille and self.fault.kind not in harmless

    def __str__(self) -> str:
        """In one line."""
        parts = [f"{self.board} {self.ncs}", self.package.value, self.state.name.lower()]
        parts.append(" > ".join(step.name.lower() for step in self.steps))
        if self.fault.kind is not Fault.NONE:
            fault = self.fault
            parts.append(f"{fault.kind.name.lower()}({fault.amount}) before step {fault.step}")
        if self.silent:
            parts.append(f"silent: {', '.join(stage.value for stage in self.silent)}")
        if self.lost_per_mille:
            parts.append(f"{self.lost_per_mille} of 1000 lines lost")
        return f"case {self.seed}/{self.number}: " + "; ".join(parts)
