"""How a client's printed log tells what it did and was answered."""

from collections.abc import Iterable, Mapping
from dataclasses import replace

from pytest_nrf_fota.bootlog.catalogue.client_requests import REQUEST_LINES
from pytest_nrf_fota.bootlog.client_side import ClientStep, Operation, Problem
from pytest_nrf_fota.bootlog.matching import LineMatcher
from pytest_nrf_fota.bootlog.report import Seen
from pytest_nrf_fota.explain.known_lines import Known, KnownLines

MOST_STEPS = 2000
_LONGEST_READ_CHARS = 400
_OPERATIONS = {
    "request_upload_command": Operation.UPLOAD,
    "request_confirm_command": Operation.CONFIRM,
    "request_erase_command": Operation.ERASE,
    "request_parameters": Operation.PARAMETERS,
    "request_mark_uploaded": Operation.TEST,
    "request_upload": Operation.UPLOAD,
    "request_erase": Operation.ERASE,
    "request_confirm": Operation.CONFIRM,
    "request_test": Operation.TEST,
    "request_reset": Operation.RESET,
    "request_list": Operation.LIST,
    "request_connect": Operation.CONNECT,
}
# Words of the catalogue's `client_code`, and the code that each means.
_WORDED = {"invalid": "EINVAL", "noentry": "ENOENT", "badstate": "EBADSTATE", "notsup": "ENOTSUP"}
# Parts of the image group's names; clients shorten them.
_IMAGE_NAMES = (
    ("HASH_NOT_FOUND", Problem.HASH_NOT_FOUND),
    ("NO_FREE_SLOT", Problem.NO_FREE_SLOT),
    ("PENDING", Problem.ALREADY_PENDING),
    ("NEWER", Problem.CURRENT_IS_NEWER),
    ("FLASH", Problem.FLASH_FAILED),
)
_PROBLEM_LINES = {
    "client_hash_not_found": Problem.HASH_NOT_FOUND,
    "client_refused_file": Problem.FILE_REFUSED,
    "client_timeout": Problem.TIMEOUT,
    "client_disconnected": Problem.DISCONNECTED,
    "client_needs_pairing": Problem.NEEDS_PAIRING,
    "client_offset_mismatch": Problem.OFFSET,
}


def problem_of_code(code: int) -> Problem:
    """What an SMP return code means that belongs to no group (`MGMT_ERR` of the smp package)."""
    from smp.error import MGMT_ERR

    match code:
        case MGMT_ERR.ENOMEM:
            return Problem.NO_MEMORY
        case MGMT_ERR.EINVAL:
            return Problem.INVALID
        case MGMT_ERR.ETIMEOUT:
            return Problem.TIMEOUT
        case MGMT_ERR.ENOENT:
            return Problem.NO_ENTRY
        case MGMT_ERR.EBADSTATE:
            return Problem.BAD_STATE
        case MGMT_ERR.ENOTSUP:
            return Problem.NOT_SUPPORTED
        case _:
            return Problem.OTHER


def problem_of_image_code(code: int) -> Problem:
    """What a code of the image group means (`IMG_MGMT_ERR` of the smp package)."""
    from smp.image_management import IMG_MGMT_ERR

    names = {error.value: error.name for error in IMG_MGMT_ERR}
    return _problem_of_image_name(names.get(code, "")) or Problem.OTHER


def _problem_of_image_name(name: str) -> Problem | None:
    return next((problem for part, problem in _IMAGE_NAMES if part in name), None)


def problem_of(known: Known) -> tuple[Problem, int | None] | None:
    """What a client's error line means, with its code; None for a line that is no error."""
    if known.name in _PROBLEM_LINES:
        return _PROBLEM_LINES[known.name], None
    if known.name == "client_image_code":
        code = known.number("code")
        named = _problem_of_image_name(known.text("name"))
        return named or problem_of_image_code(code or 0), code
    if known.name == "client_code":
        code = _code(known)
        return (problem_of_code(code), code) if code else None
    if known.name == "client_error":
        code = known.number("rc") or known.number("number")
        if code is not None:
            return problem_of_code(code), code
    return None


def _code(known: Known) -> int | None:
    for group in ("code", "code_smpmgr", "rc"):
        number = known.number(group)
        if number is not None:
            return number
    worded = next((name for word, name in _WORDED.items() if known.text(word)), None)
    name = known.text("mgmt") or worded
    if not name:
        return None
    from smp.error import MGMT_ERR

    return MGMT_ERR.__members__.get(name, MGMT_ERR.EUNKNOWN).value


# A line may match several; the first one counts.
_ERROR_NAMES = (
    *("client_hash_not_found", "client_code", "client_image_code", "client_error"),
    *_PROBLEM_LINES,
)


def steps_of_text(lines: Iterable[Seen], known_lines: KnownLines) -> tuple[ClientStep, ...]:
    """The steps that a client's printed lines tell of.

    An error belongs to the request that its own line names, else to the one before it.
    """
    problems: dict[int, tuple[Problem, int | None]] = {}
    for known in known_lines.find(*_ERROR_NAMES):
        meant = problem_of(known)
        if meant is not None:
            problems.setdefault(known.seen.line_number, meant)
    matcher = LineMatcher(REQUEST_LINES)
    steps: list[ClientStep] = []
    for seen in lines:
        facts = matcher.facts(seen.text[:_LONGEST_READ_CHARS])
        values = {name: text for hit in facts.hits for name, text in hit.groups.items() if text}
        problem = problems.get(seen.line_number)
        named = [hit.pattern.name for hit in facts.hits if hit.pattern.name in _OPERATIONS]
        operation = _OPERATIONS[named[0]] if named else None
        last = steps[-1] if steps else None
        if operation is not None and (
            last is None or last.operation is not operation or _begins_anew(last, values)
        ):
            steps.append(ClientStep(operation, seen))
        refuses_file = problem is not None and problem[0] is Problem.FILE_REFUSED
        if refuses_file and (not steps or steps[-1].operation is not Operation.UPLOAD):
            steps.append(ClientStep(Operation.UPLOAD, seen))
        if not steps and problem is None:
            continue
        if not steps:
            steps.append(ClientStep(Operation.UNKNOWN, seen))
        steps[-1] = _with_values(steps[-1], values)
        if problem is not None and steps[-1].problem is None:
            kind, code = problem
            steps[-1] = replace(steps[-1], problem=kind, code=code, problem_seen=seen)
        if len(steps) >= MOST_STEPS:
            break
    return tuple(steps)


def _begins_anew(step: ClientStep, values: Mapping[str, str]) -> bool:
    """Whether a line about the same operation is about another image or file."""
    if "file" in values and step.file is not None:
        return values["file"] != step.file
    if "hash" in values and step.hash is not None:
        return values["hash"] != step.hash
    return step.problem is not None


def _with_values(step: ClientStep, values: Mapping[str, str]) -> ClientStep:
    file, image_hash = step.file or values.get("file"), step.hash or values.get("hash")
    step = replace(step, file=file, hash=image_hash)
    if step.operation is Operation.UPLOAD and "size" in values:
        return replace(step, offset=int(values["offset"]), size_bytes=int(values["size"]))
    if step.operation is Operation.UPLOAD and "percent" in values:
        return replace(step, offset=int(values["percent"]), size_bytes=100)
    return step
