"""Cuts the power at every tenth operation of a swap of two real applications, and boots again.

    python -m tests.execution.every_tenth_cut --processes=2

Each cut is a fork of the one run that swaps. The boot after it is followed until it writes the next
swap status over the same memory as the run without a cut, or to its end; every hundredth cut to its
end whatever it meets. Takes about half an hour.
"""

import argparse
import hashlib
import os
import sys
import tempfile
import traceback
from collections import Counter
from pathlib import Path

from pytest_nrf_fota.sim.flash import CutMoment, Flash, Operation, PowerCut, PowerLostError
from tests.execution.mcuboot_board import (
    COPY_DONE_AT,
    board_with,
    boot,
    copy_of,
    mark,
    slots_of,
)
from tests.execution.smpclient_builds import PRIMARY, SECONDARY, SLOT_BYTES, nrf52832_build

EVERY, TO_ITS_END_EVERY = 10, 100
# Of the primary slot's trailer: three words for each sector, in front of the swap info.
STATUS = range(PRIMARY + SLOT_BYTES - 0x1000, PRIMARY + COPY_DONE_AT)
# Exit codes of the forks; 1 is that of an exception.
MET, ENDED = 10, 11


class _MetAgainError(Exception):
    """The resumed swap is where the one without a cut was."""


def _digest(flash: Flash) -> bytes:
    return hashlib.blake2b(slots_of(flash)).digest()


def _reference(marked: Flash) -> tuple[int, set[bytes], bytes]:
    """Operations of the whole swap, the slots at each status write, and at its end."""
    flash, met = copy_of(marked), set[bytes]()

    def see(operation: Operation) -> None:
        if operation.address in STATUS:
            met.add(_digest(flash))

    flash.on_operation = see
    end = boot(flash)
    assert end.starts
    return len(end.operations), met, _digest(flash)


def _resume(flash: Flash, met: set[bytes], whole: bytes, *, to_its_end: bool) -> int:
    """The boot after the cut: what became of it, as the process' exit code."""

    def see(operation: Operation) -> None:
        if not to_its_end and operation.address in STATUS and _digest(flash) in met:
            raise _MetAgainError

    flash.has_power, flash.on_operation = True, see
    is_done = flash.read(PRIMARY + COPY_DONE_AT, 1) == b"\x01"
    try:
        starts = is_done or boot(flash).starts
    except _MetAgainError:
        return MET
    assert starts, "no application was started"
    assert _digest(flash) == whole, "the slots differ from those after the swap without a cut"
    return ENDED


def main() -> int:
    """Returns the number of cuts that ended otherwise than the swap without one."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--processes", type=int, default=os.cpu_count() or 1)
    parser.add_argument("--every", type=int, default=EVERY)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        build = nrf52832_build(Path(folder))
    marked = board_with(build, build.a, build.b)
    mark(marked, SECONDARY)
    total, met, whole = _reference(marked)
    print(f"{total} operations, {len(met)} states at status writes", flush=True)
    flash, under_way = copy_of(marked), dict[int, PowerCut]()
    counts, moments = Counter[str](), tuple(CutMoment)
    is_child = False

    def reap() -> None:
        pid, status = os.wait()
        cut, code = under_way.pop(pid), os.waitstatus_to_exitcode(status)
        what = {MET: "met again", ENDED: "ended alike"}.get(code, "failed")
        counts[what] += 1
        if what == "failed":
            print(f"FAILED at {cut}: exit code {code}", flush=True)
        if counts.total() % 500 == 0:
            print(f"{cut.operation} of {total}: {dict(counts)}", flush=True)

    def fork_before(operation: Operation) -> None:
        nonlocal is_child
        if is_child or operation.number % options.every:
            return
        while len(under_way) >= options.processes:
            reap()
        cut = PowerCut(operation.number, moments[operation.number // options.every % 3])
        pid = os.fork()
        if pid:
            under_way[pid] = cut
            return
        is_child, flash.power_cut = True, cut

    flash.on_operation = fork_before
    try:
        boot(flash)
    except PowerLostError:
        index = flash.operations[-1].number // options.every
        code = 1
        try:
            code = _resume(flash, met, whole, to_its_end=index % TO_ITS_END_EVERY == 0)
        except Exception:
            traceback.print_exc()
        os._exit(code)
    assert not is_child, "the power was not cut"
    while under_way:
        reap()
    print(dict(counts))
    return counts["failed"]


if __name__ == "__main__":
    sys.exit(main())
