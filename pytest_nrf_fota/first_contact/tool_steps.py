"""Which tools there are, and what each says of the kit; nothing is changed."""

from collections.abc import Sequence

from pytest_nrf_fota.errors import FotaError
from pytest_nrf_fota.first_contact.bench import Bench, SkippedError
from pytest_nrf_fota.first_contact.step import Found, Step, held
from pytest_nrf_fota.probe.fault import ProbeFaultError

_NRFUTIL = "nrfutil"


def _versions(bench: Bench) -> Found:
    lines = [tool.version for tool in bench.tools.found.values()]
    lines += [f"{name}: {why}" for name, why in bench.tools.missing.items()]
    return held(bool(bench.tools.found), "; ".join(lines))


def _lists(bench: Bench) -> Found:
    lines: list[str] = []
    is_listed = bool(bench.tools.found)
    for name, tool in bench.tools.found.items():
        try:
            listed = tool.list_probes(bench.deadline())
        except FotaError as error:
            is_listed = False
            lines.append(f"{name}: {error.what}")
            continue
        is_listed = is_listed and bool(listed)
        lines.append(f"{name}: {', '.join(listed) or 'none'}")
    return held(is_listed, "; ".join(lines))


def _info(bench: Bench) -> Found:
    lines: list[str] = []
    answered = True
    for name, probe in bench.probes.items():
        try:
            info = probe.info(bench.deadline())
        except FotaError as error:
            answered = False
            lines.append(f"{name}: {_kind(error)}")
            continue
        lines.append(f"{name}: {info.target}, {info.version}")
    return held(answered, "; ".join(lines))


def _nrfutil_words(bench: Bench) -> Found:
    tool = bench.tools.found.get(_NRFUTIL)
    if tool is None or tool.command is None:
        raise SkippedError("nrfutil does not work here")
    probe = bench.probes.get(_NRFUTIL)
    if probe is None:
        raise SkippedError("nrfutil does not reach the probe")
    whose = ("--serial-number", probe.info(bench.deadline()).serial_number)
    lines: list[str] = []
    all_known = True
    for command in _asked(bench):
        result = tool.command.run((*command, *whose), bench.deadline())
        all_known = all_known and result.exit_code == 0
        lines.append(f"{' '.join(command)}: exit code {result.exit_code}")
    return held(all_known, "; ".join(lines))


def _asked(bench: Bench) -> Sequence[tuple[str, ...]]:
    # docs.nordicsemi.com, nRF Util: device core-info, device protection-get.
    if not bench.board.soc.names_core:
        return ("core-info",), ("protection-get",)
    cores = (("--core", "Application"), ("--core", "Network"))
    return tuple((verb, *core) for verb in ("core-info", "protection-get") for core in cores)


def _kind(error: FotaError) -> str:
    return error.fault.value if isinstance(error, ProbeFaultError) else error.what


STEPS = (
    Step("tools", "Asks each tool for its version.", _versions),
    Step("probes", "Lets each tool list the probes.", _lists),
    Step("chip", "Asks the chip through each tool what it is.", _info),
    Step("cores", "Asks nrfutil for cores and protection.", _nrfutil_words),
)
