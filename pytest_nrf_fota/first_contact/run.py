"""Go through the steps: ask before what erases, time each, record what was found."""

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from pytest_nrf_fota.errors import FotaError
from pytest_nrf_fota.first_contact import (
    erase_steps,
    flash_steps,
    port_steps,
    radio_steps,
    read_steps,
    tool_steps,
)
from pytest_nrf_fota.first_contact.bench import Bench, SkippedError
from pytest_nrf_fota.first_contact.step import Done, Found, Result, Step
from pytest_nrf_fota.record.events import ContactMade

STEPS: tuple[Step, ...] = (
    *tool_steps.STEPS,
    *port_steps.STEPS,
    *flash_steps.STEPS,
    *read_steps.STEPS,
    *radio_steps.STEPS,
    *erase_steps.STEPS,
)
_NOT_AGREED = Found(Result.SKIPPED, "you did not agree")


class NobodyToAskError(Exception):
    """A step erases, and there is nobody who could agree."""


@dataclass(frozen=True)
class Contact:
    """What came of all steps; `ended_early` says why some were not done."""

    done: tuple[Done, ...]
    ended_early: str = ""

    @property
    def all_held(self) -> bool:
        """Whether nothing failed, and all that was tried held."""
        wrong = (Result.NOT_HELD, Result.FAILED)
        return not self.ended_early and not any(one.found.result in wrong for one in self.done)


def make_contact(
    bench: Bench,
    agrees: Callable[[Step], bool],
    begins: Callable[[int, Step], None],
    ended: Callable[[Done], None],
    steps: Sequence[Step] = STEPS,
) -> Contact:
    """Do all steps, whatever one of them finds.

    Args:
        bench: the kit.
        agrees: asks a person before a step that erases. Raises `NobodyToAskError`, or
            `SkippedError` where there is no kit to ask about.
        begins: is told each step that begins, with its number from 1.
        ended: is told each step that is over.
        steps: which ones.
    """
    done: list[Done] = []
    for number, step in enumerate(steps, 1):
        started_at_s = time.monotonic()
        try:
            begins(number, step)
            refusal = _refusal(agrees, step)
            started_at_s = time.monotonic()
            found = refusal or _found(bench, step)
            done.append(_done(bench, step, found, started_at_s))
            ended(done[-1])
        except NobodyToAskError:
            why = f"{step.name!r} erases, and nobody can be asked here: give --yes."
            return Contact(tuple(done), why)
        except KeyboardInterrupt:
            if not done or done[-1].step is not step:
                interrupted = Found(Result.FAILED, "interrupted")
                done.append(_done(bench, step, interrupted, started_at_s))
            return Contact(tuple(done), f"It was interrupted in {step.name!r}.")
    return Contact(tuple(done))


def _refusal(agrees: Callable[[Step], bool], step: Step) -> Found | None:
    try:
        return None if not step.erases or agrees(step) else _NOT_AGREED
    except SkippedError as reason:
        return Found(Result.SKIPPED, str(reason))


def _done(bench: Bench, step: Step, found: Found, started_at_s: float) -> Done:
    duration_s = time.monotonic() - started_at_s
    bench.recorder.record(
        ContactMade(
            step=step.name,
            result=found.result.value,
            found=found.text,
            duration_s=round(duration_s, 3),
        )
    )
    return Done(step, found, duration_s)


def _found(bench: Bench, step: Step) -> Found:
    try:
        with bench.recorder.step(step.name, step.does):
            return step.run(bench)
    except SkippedError as reason:
        return Found(Result.SKIPPED, str(reason))
    except FotaError as error:
        return Found(Result.FAILED, " ".join(filter(None, (error.what, error.next_step))))
    # A step that is wrong itself must not cost what the later ones tell.
    except Exception as error:
        return Found(Result.FAILED, f"{type(error).__name__}: {error}")
