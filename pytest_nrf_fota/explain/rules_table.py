"""The rules as a document: docs/diagnosis.md is made from this.

`python -m pytest_nrf_fota.explain.rules_table > docs/diagnosis.md`
"""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import replace

from pytest_nrf_fota.explain.rule import Rule
from pytest_nrf_fota.explain.rules import all_rules
from pytest_nrf_fota.explain.upgrade_story import SENTENCES
from pytest_nrf_fota.findings.cause import Cause
from pytest_nrf_fota.findings.file_causes import FILE_CAUSES
from pytest_nrf_fota.findings.finding import Weight
from pytest_nrf_fota.findings.gate_causes import GATE_CAUSES

_INTRODUCTION = """\
# Causes that `nrf-fota` knows

Made from the rules in `pytest_nrf_fota/explain/rules/`; a test keeps it up to date:
`python -m pytest_nrf_fota.explain.rules_table > docs/diagnosis.md`.

    nrf-fota explain LOG [--smp LOG] [--package ZIP] [--json]

LOG is the board's UART log, a test's folder in `nrf_fota_runs/` (its `uart.log`, with its
`recorder.jsonl` as `--smp`), a `recorder.jsonl` alone, or `-`. `--smp` is what the client printed
(smpmgr, mcumgr, nrfutil, a phone app's log) or a `recorder.jsonl`; `--package` the zip that was
sent. A client's or a probe tool's output may also be LOG itself.

| exit code | meaning |
|---|---|
| 0 | the upgrade happened or none was attempted, and nothing is wrong |
| 1 | a cause was found, or the upgrade did not happen |
| 2 | an input cannot be used: no file, empty, no text, a firmware file, a broken package |
| 3 | not enough evidence; the text shows what to capture next |

Every cause shows the lines that are its evidence; a missing line is never the only evidence.
*certain*: the lines leave no other reading; *likely*: several lines together leave little else;
*possible*: worth checking, and alone no reason for exit code 1 where no upgrade failed. Silence
proves nothing: a jump to an application that prints nothing is not proven, and a bootloader that
does not say what it decided shows no upgrade, not that nothing is wrong. What went wrong before
the last attempt in the log, or before an upgrade that happened, is shown as "not the cause".
No remedy erases or recovers a board that may be healthy.

Times: a log of 1 GB takes about half a minute of CPU and less than 100 MB of memory; one whose
boots all differ takes ten times as long (`benchmarks/explain_rate.py`).

## How an upgrade can end
"""

_RULES = """
## Causes

The code of a cause is in square brackets behind it, and in `--json` as `code`. It stays from
release to release; the words may change. What is in `{}` is filled in from the log, or from the
board (`--board`; in a test run its own): `{erase_flash}`, `{flash_node}`, `{baudrate}`,
`{s0_fw_info}`, `{recover}`.
"""
_GATES = """
## Why the answer of a preflight is NO

In `--json` and in a test's flight recorder the gate that is not passed has a `finding` with this
`code`. One that is also listed above is the same cause; where the remedy is empty, use that one.
"""

_FILES = """
## What `nrf-fota inspect` warns of and notes

Its `--json` has them in `remarks[]`, with the place as `shown[]`.
"""


def document(rules: Sequence[Rule] | None = None) -> str:
    """The whole text of docs/diagnosis.md; of all registered rules where none are given."""
    return "\n".join(_lines(all_rules() if rules is None else rules)) + "\n"


def _lines(rules: Sequence[Rule]) -> Iterator[str]:
    yield _INTRODUCTION
    yield "| `ending` in JSON | first words |"
    yield "|---|---|"
    for ending, sentence in SENTENCES.items():
        yield f"| {ending.value} | {sentence} |"
    yield _RULES
    yield from _table([_with_gentle_remedy(rule) for rule in rules])
    yield _GATES
    yield from _table(GATE_CAUSES.values())
    yield _FILES
    yield from _table(FILE_CAUSES.values())


def _with_gentle_remedy(rule: Rule) -> Cause:
    if not rule.gentle:
        return rule.told
    both = f"{rule.gentle} Where the board starts no application and the cause is certain: "
    return replace(rule.told, remedy=both + rule.remedy)


def _table(causes: Iterable[Cause]) -> Iterator[str]:
    yield "| code | cause | remedy |"
    yield "|---|---|---|"
    for cause in causes:
        kind = "" if cause.weight is Weight.CAUSE else f" *({cause.weight.value})*"
        yield f"| `{cause.code}`{kind} | {_cell(cause.cause)} | {_cell(cause.remedy)} |"


def _cell(text: str) -> str:
    return text.replace("|", "\\|")


if __name__ == "__main__":
    print(document(), end="")
