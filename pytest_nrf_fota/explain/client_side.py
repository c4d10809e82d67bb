"""How a client's printed log tells what it did and was answered."""

import re
from collections.abc import Iterable
from dataclasses import replace

from pytest_nrf_fota.bootlog.client_side import ClientStep, Operation, Problem
from pytest_nrf_fota.bootlog.report import Seen
from pytest_nrf_fota.explain.known_lines import Known, KnownLines

MOST_STEPS = 2000
_LONGEST_READ_CHARS = 400
_HASH = re.compile(r"\b(?:0x)?([0-9a-f]{16,128})\b")
_FILE = re.compile(r"([\w.+-]+\.(?:bin|zip|hex))\b")
_PERCENT = re.compile(r"\b(\d{1,3})(?:\.\d+)? ?%")
_OF_BYTES = re.compile(r"\b(\d{3,})\s*(?:/|of)\s*(\d{3,})(?: bytes)?\b")
# What a line is about, first match wins; words that name the command before words about it.
_OPERATIONS = (
    (Operation.PARAMETERS, r"\bparam(?:eter)?s\b|\bcommand (?:id )?6\b|\bgroup(?: id)? 0\b.*\b6\b"),
    (Operation.TEST, r"\bmarking uploaded image\b"),
    (Operation.UPLOAD, r"\bupload\w*|\bfirmware (?:transfer|sending)\b"),
    (Operation.ERASE, r"\bimage[ _-]erase\b|\beras(?:e|ing)\b.*\b(?:slot|image)\b"),
    (Operation.CONFIRM, r"\bconfirm(?:ing)?\b(?! dialog)|--confirm\b"),
    (
        Operation.TEST,
        r"\bimage[ _-](?:test|state-write)\b|\btest (?:command|image)\b|\bsend\w* test\b"
        r"|\bmark\w*\b.*\b(?:test|pending|image)\b|\btest\((?:hash|0x)|\btest [0-9a-f]{16,}",
    ),
    (Operation.RESET, r"\b(?:os[ _-])?reset(?:ting)?\b(?! reason)"),
    (Operation.LIST, r"\bimage[ _-](?:list|state|state-read)\b|\blist(?:ing)? images\b"),
    (Operation.CONNECT, r"\bconnect(?:ing|ed)?\b|\bpair(?:ing|ed)?\b|\bscanning\b"),
)
_COMPILED = tuple((op, re.compile(regex, re.IGNORECASE)) for op, regex in _OPERATIONS)
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
    "client_timeout": Problem.TIMEOUT,
    "client_disconnected": Problem.DISCONNECTED,
    "client_needs_pairing": Problem.NEEDS_PAIRING,
    "client_offset_mismatch": Problem.OFFSET,
}


def problem_of_code(code: int) -> Problem:
    """What an SMP return code means that belongs to no group (`MGMT_ERR` of the smp package)."""
    from smp.error import MGMT_ERR

    match code:
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
    text = known.seen.text.lower()
    if "hash not found" in text:
        return Problem.HASH_NOT_FOUND, None
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


_ERROR_NAMES = ("client_code", "client_image_code", "client_error", *_PROBLEM_LINES)


def steps_of_text(lines: Iterable[Seen], known_lines: KnownLines) -> tuple[ClientStep, ...]:
    """The steps that a client's printed lines tell of.

    An error belongs to the request that its own line names, else to the one before it.
    """
    problems: dict[int, tuple[Problem, int | None]] = {}
    for known in known_lines.find(*_ERROR_NAMES):
        meant = problem_of(known)
        if meant is not None:
            problems.setdefault(known.seen.line_number, meant)
    steps: list[ClientStep] = []
    for seen in lines:
        text = seen.text[:_LONGEST_READ_CHARS]
        problem = problems.get(seen.line_number)
        operation = next((op for op, regex in _COMPILED if regex.search(text)), None)
        last = steps[-1] if steps else None
        if operation is not None and (
            last is None or last.operation is not operation or _begins_anew(last, text)
        ):
            steps.append(ClientStep(operation, seen))
        if not steps and problem is None:
            continue
        if not steps:
            steps.append(ClientStep(Operation.UNKNOWN, seen))
        steps[-1] = _with_values(steps[-1], text)
        if problem is not None and steps[-1].problem is None:
            kind, code = problem
            steps[-1] = replace(steps[-1], problem=kind, code=code, problem_seen=seen)
        if len(steps) >= MOST_STEPS:
            break
    return tuple(steps)


def _begins_anew(step: ClientStep, text: str) -> bool:
    """Whether a line about the same operation is about another image or file."""
    file, image_hash = _FILE.search(text), _HASH.search(text)
    if file is not None and step.file is not None:
        return file[1] != step.file
    if image_hash is not None and step.hash is not None:
        return image_hash[1] != step.hash
    return step.problem is not None


def _with_values(step: ClientStep, text: str) -> ClientStep:
    file, image_hash = _FILE.search(text), _HASH.search(text)
    if file is not None and step.file is None:
        step = replace(step, file=file[1])
    if image_hash is not None and step.hash is None:
        step = replace(step, hash=image_hash[1])
    if step.operation is Operation.UPLOAD:
        of_bytes, percent = _OF_BYTES.search(text), _PERCENT.search(text)
        if of_bytes is not None:
            step = replace(step, offset=int(of_bytes[1]), size_bytes=int(of_bytes[2]))
        elif percent is not None and int(percent[1]) <= 100:
            step = replace(step, offset=int(percent[1]), size_bytes=100)
    return step
