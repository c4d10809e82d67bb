"""The events that a flight recorder holds, one JSON object per line.

The report and the diagnosis read only these, so whatever they need must be in here.
"""

from typing import Annotated, Literal, TypeAlias

from pydantic import BaseModel, ConfigDict, Field, JsonValue, TypeAdapter

from pytest_nrf_fota.findings.evidence import Evidence
from pytest_nrf_fota.findings.finding import Finding
from pytest_nrf_fota.findings.gate import Gate

StepEnd: TypeAlias = Literal["done", "connection lost", "no answer", "refused", "broken off"]
"""How a step ended: what its exception was, by its class."""


class _Event(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class RunStarted(_Event):
    """First line of every recorder file: what was being recorded, and when it began."""

    kind: Literal["run"] = "run"
    title: str
    wall_clock: str = Field(description="ISO 8601 with offset, at t = 0 of this file")
    versions: dict[str, str] = Field(default_factory=dict)
    whose: dict[str, str] = Field(
        default_factory=dict,
        description="user, host, home, folder: what a recording for others leaves out",
    )


class UnitTaken(_Event):
    """Which board, by its serial number or name, the following events belong to.

    `settings` is its board type, as in a board file.
    """

    kind: Literal["unit"] = "unit"
    unit: str
    board: str
    detail: str = ""
    settings: dict[str, JsonValue] = Field(default_factory=dict)


class StepStarted(_Event):
    """The harness began a step that a person would name: `upload`, `reset`, `flash`.

    `size_bytes` is what there is to move, `expected_s` how long it takes as a rule, where known.
    """

    kind: Literal["step_started"] = "step_started"
    step: str
    detail: str = ""
    size_bytes: int | None = None
    expected_s: float | None = None


class StepEnded(_Event):
    """The step is over; `error` is the exception as text, empty where it went well.

    `done_bytes` is what the board has of it, `retries` how often something was sent again, both
    where that was counted.
    """

    kind: Literal["step_ended"] = "step_ended"
    step: str
    duration_s: float
    end: StepEnd = "done"
    error: str = ""
    done_bytes: int | None = None
    retries: int | None = None


class ProbeOperation(_Event):
    """One operation of the debug probe.

    `address` and `size_bytes` are those of a read; `fault` is the kind of failure that the error
    names, where a tool's failure has one.
    """

    kind: Literal["probe"] = "probe"
    operation: str
    detail: str = ""
    duration_s: float
    error: str = ""
    address: int | None = None
    size_bytes: int | None = None
    fault: str = ""


class Kept(BaseModel):
    """What a tool printed, or a file: its size and hash, and the content where it is kept.

    `text` is the content where it is short; `file` names a gzip file in the folder beside the
    recorder's file. Neither: only size and hash are known.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")
    size_bytes: int
    sha256: str
    text: str | None = None
    file: str | None = None


class KeptFile(BaseModel):
    """A file that a tool was given or has written. Of one that it was given, size and hash."""

    model_config = ConfigDict(frozen=True, extra="forbid")
    path: str
    use: Literal["read", "written"]
    content: Kept


class ToolCalled(_Event):
    """One call of the probe's tool, when it had ended.

    `exit_code` is None, and `fault` has its kind, where it was ended or did not start.
    """

    kind: Literal["tool"] = "tool"
    tool: str
    command: tuple[str, ...]
    exit_code: int | None
    fault: str = ""
    stdout: Kept
    stderr: Kept
    files: tuple[KeptFile, ...] = ()
    duration_s: float


class UartBytes(_Event):
    """Bytes of a UART as they came, in base64."""

    kind: Literal["uart_bytes"] = "uart_bytes"
    port: str
    core: Literal["application", "network"] = "application"
    base64: str


class ProbeRetried(_Event):
    """The probe's tool failed in a way that passes, and is asked the same once more.

    Args:
        fault: what kind of failure: a value of `findings/probe_faults.py`, `ProbeFault`.
        error: what the tool said at the first try.
    """

    kind: Literal["probe_retried"] = "probe_retried"
    operation: str
    fault: str
    error: str


class UartLine(_Event):
    """One line that the board printed, without ANSI sequences and line end."""

    kind: Literal["uart"] = "uart"
    port: str
    text: str


class NetworkUartLine(_Event):
    """One line that the network core printed on its own UART."""

    kind: Literal["network_uart"] = "network_uart"
    port: str
    text: str


class UartWrite(_Event):
    """What the harness typed into the board's console."""

    kind: Literal["uart_write"] = "uart_write"
    port: str
    text: str


class ConsoleState(_Event):
    """The console's port was opened, lost, found again or closed."""

    kind: Literal["console"] = "console"
    port: str
    state: Literal["opened", "lost", "reopened", "closed"]
    detail: str = ""


class RadioState(_Event):
    """The SMP connection changed."""

    kind: Literal["radio"] = "radio"
    state: Literal["connecting", "connected", "disconnected", "failed", "retrying", "reset"]
    detail: str = ""
    mtu_bytes: int | None = Field(default=None, description="longest write of this connection")
    message_bytes: int | None = Field(default=None, description="longest SMP message of it")


class AdvertisementHeard(_Event):
    """One device that advertises, as this host's Bluetooth shows it."""

    kind: Literal["advertisement"] = "advertisement"
    address: str
    address_type: str = ""
    name: str = ""
    rssi_dbm: int | None = None


class SmpMessage(_Event):
    """One SMP request or answer; `payload` is its CBOR with long byte strings shortened."""

    kind: Literal["smp"] = "smp"
    direction: Literal["request", "answer"]
    name: str = Field(description="group and command by name, such as `image upload`")
    sequence: int
    size_bytes: int
    payload: dict[str, JsonValue]
    raw: str = Field(default="", description="of an answer: all of it, in hex, where it is short")


class Moment(_Event):
    """A moment with a name: what a test or a fault does next."""

    kind: Literal["moment"] = "moment"
    name: str


class FactsJudged(_Event):
    """What the verdict that follows was judged from, but for boots, which the UART tells, and the
    image list, which the last answer holds.

    Args:
        since: name of the last moment before the boots that count.
        has_images: whether the board told its image list.
        was_tried, refusal: how it went to set the update pending.
        was_sent: whether it was uploaded.
        gaps, resets, silent, restarts, is_unstable, lacks_last_boot: how well the boots could be
            watched; `silent` are names of stages.
        memory_unread: why memory was not read; empty where it was.
        updates: what was sent, and what memory held of it; of firmware its hash alone.
    """

    kind: Literal["facts"] = "facts"
    since: str
    has_images: bool
    was_tried: bool
    refusal: str | None = None
    was_sent: bool = True
    gaps: int = 0
    resets: int = 0
    silent: tuple[str, ...] = ()
    restarts: int = 0
    is_unstable: bool = False
    lacks_last_boot: bool = False
    memory_unread: str = ""
    updates: tuple[JsonValue, ...]


class ContactMade(_Event):
    """What one step of `nrf-fota first-contact` found out."""

    kind: Literal["contact"] = "contact"
    step: str
    result: Literal["held", "did not hold", "skipped", "failed"]
    found: str
    duration_s: float


class ProbeReadsTried(_Event):
    """What a read over SWD did to the running firmware, or that there are no reads, and why."""

    kind: Literal["probe_reads"] = "probe_reads"
    found: str


class VerdictReached(_Event):
    """The outcome of an upgrade and its evidence.

    `preflight` is what had been predicted, where that is worth a word; `notes` what else is to be
    known of it.
    """

    kind: Literal["verdict"] = "verdict"
    outcome: str
    subject: str
    reason: str
    evidence: tuple[Evidence, ...]
    preflight: str = ""
    notes: tuple[str, ...] = ()


class PreflightDone(_Event):
    """What the boot code did with the update on a copy of the board, before the upload.

    Args:
        answer: `none` where there was no preflight, `failed` where it broke: `reason` says why.
        reason, remedy: why the update would not run, and what to do.
        boots: one line for each: the board as it was, then those with the image pending.
        duration_s: what it cost.
    """

    kind: Literal["preflight"] = "preflight"
    answer: Literal["yes", "no", "none", "failed"]
    package: str
    reason: str = ""
    remedy: str = ""
    checks: tuple[Gate, ...] = ()
    boots: tuple[str, ...] = ()
    duration_s: float = 0.0


class FailureExplained(_Event):
    """Why a test failed, from the board's and the client's lines; see explain/."""

    kind: Literal["explanation"] = "explanation"
    ending: str
    causes: tuple[Finding, ...]
    text: str = Field(description="as shown; line numbers are those of uart.log")


class PowerCycled(_Event):
    """A kit's power was switched off and on, and whether it was on USB again afterwards.

    Args:
        unit: its serial number.
        how: the commands, or the place of the farm.
        error: why it did not work; empty where it did.
    """

    kind: Literal["power"] = "power"
    unit: str
    how: str
    duration_s: float
    error: str = ""


class KitLost(_Event):
    """The kit failed its check, so what follows is of no use for its firmware.

    `becomes` is what became of it.
    """

    kind: Literal["kit_lost"] = "kit_lost"
    unit: str
    why: str
    becomes: Literal["quarantined", "set aside"]


class PhaseEnded(_Event):
    """How pytest reported the setup or the call of the test; what follows is the teardown.

    `why` is the first line of a failure.
    """

    kind: Literal["phase"] = "phase"
    phase: Literal["setup", "call"]
    outcome: Literal["passed", "failed", "error", "skipped"]
    why: str = ""


class Measurement(_Event):
    """A measured value: upload throughput, erase time, swap time, boot time.

    `unit` is empty for a mere number, such as retries.
    """

    kind: Literal["measurement"] = "measurement"
    name: str
    value: float
    unit: str

    @property
    def text(self) -> str:
        """For people: `35.2 kB/s`."""
        return f"{self.value:g} {self.unit}".rstrip()


Event = Annotated[
    RunStarted
    | UnitTaken
    | StepStarted
    | StepEnded
    | ProbeOperation
    | ToolCalled
    | UartBytes
    | ProbeRetried
    | UartLine
    | NetworkUartLine
    | UartWrite
    | ConsoleState
    | RadioState
    | AdvertisementHeard
    | SmpMessage
    | Moment
    | FactsJudged
    | ContactMade
    | ProbeReadsTried
    | VerdictReached
    | PreflightDone
    | FailureExplained
    | PowerCycled
    | KitLost
    | PhaseEnded
    | Measurement,
    Field(discriminator="kind"),
]


class Recorded(BaseModel):
    """One line of a recorder file: an event and its time."""

    model_config = ConfigDict(frozen=True)
    t_s: float = Field(description="seconds on the monotonic clock since the file was opened")
    event: Event


RECORDED_LINE: TypeAdapter[Recorded] = TypeAdapter(Recorded)
