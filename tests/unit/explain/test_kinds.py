"""Whole kinds of misreadings: for each, inputs in which it showed, and near misses."""

import re

import pytest

from pytest_nrf_fota.explain.case import case_of_text
from pytest_nrf_fota.explain.explanation import Explanation, Status, explain
from pytest_nrf_fota.explain.text import short_text
from pytest_nrf_fota.findings.finding import Confidence
from pytest_nrf_fota.verdict.ending import Ending, Upgraded
from tests.unit.explain.test_rules import PAIRS, Pair

_MCUBOOT = "*** Booting MCUboot v2.1.0-dev-001122334455 ***\nI: Starting bootloader\n"
_NONE = "I: Image index: 0, Swap type: none\n"
_TEST = "I: Image index: 0, Swap type: test\nI: Starting swap using move algorithm.\n"
_PERM = _TEST.replace("test", "perm")
_JUMP = "I: Bootloader chainload address offset: 0xc000\nI: Jumping to the first image slot\n"
_APP = "*** Booting My Application v1.2.4-abcdef012345 ***\n[00:00:00.010,000] <inf> app: running\n"
_CONFIRMED = "[00:00:05.000,000] <inf> app_smp_svr: Marked image as OK\n"


def _explain(log: str, smp: str = "") -> Explanation:
    return explain(case_of_text(log, smp))


def _codes(explanation: Explanation) -> dict[str, Confidence]:
    return {cause.code: cause.confidence for cause in explanation.causes}


# --- silence is no evidence ---


@pytest.mark.parametrize("swap", [_TEST, _PERM, _TEST.replace("move", "offset")])
def test_jump_without_an_application_is_not_proven(swap: str) -> None:
    """Swapped and jumped, and then nothing: exit code 3."""
    found = _explain(_MCUBOOT + swap + _JUMP)
    assert (found.happened, found.status) == (Upgraded.UNKNOWN, Status.NOT_ENOUGH_EVIDENCE)
    assert "no line of it follows" in found.answer
    assert found.capture_next


@pytest.mark.parametrize("swap", [_TEST, _PERM])
def test_jump_with_an_application_is(swap: str) -> None:
    """One line of what was started is enough."""
    found = _explain(_MCUBOOT + swap + _JUMP + _APP)
    assert (found.happened, found.status) == (Upgraded.YES, Status.FINE)


def test_mcuboot_finds_the_image_confirmed_on_the_next_boot() -> None:
    """That the application ran and confirmed itself shows its trailer."""
    trailer = "I: Primary image: magic=good, swap_type=0x2, copy_done=0x1, image_ok=0x1\n"
    found = _explain(_MCUBOOT + _TEST + _JUMP + _MCUBOOT + trailer + _NONE + _JUMP)
    assert found.happened is Upgraded.YES
    unset = trailer.replace("image_ok=0x1", "image_ok=0x3")
    found = _explain(_MCUBOOT + _TEST + _JUMP + _MCUBOOT + unset + _NONE + _JUMP)
    assert found.happened is Upgraded.UNKNOWN


def test_nothing_is_wrong_only_where_lines_say_so() -> None:
    """A decision and an application; one of the two is not enough."""
    whole = _explain(_MCUBOOT + _NONE + _JUMP + _APP)
    assert whole.answer == "No upgrade was attempted, and nothing is wrong in this log."
    for log in (_MCUBOOT + _NONE + _JUMP, _MCUBOOT.splitlines(keepends=True)[0] + _APP):
        found = _explain(log)
        assert found.status is Status.NOT_ENOUGH_EVIDENCE, log
        assert "nothing is wrong" not in found.answer


# --- an error is never nothing ---


@pytest.mark.parametrize(
    "error",
    [
        "[00:00:12.000,000] <err> sensor: cannot read the bus: -5\n",
        "E: Cannot mount the file system\n",
        "[00:00:12.000,000] <err> net: no route to host\n",
    ],
)
def test_error_is_shown(error: str) -> None:
    found = _explain(_MCUBOOT + _NONE + _JUMP + _APP + error)
    assert "nothing is wrong" not in found.answer
    assert error.strip() in found.answer
    assert found.status is Status.FINE


@pytest.mark.parametrize(
    "error",
    [
        "[00:00:12.000,000] <err> dl: [401] Unauthorized\n",
        "[00:00:12.000,000] <err> fota_download: Download client error\n",
        "[00:00:12.000,000] <err> app: Firmware update failed: -5\n",
    ],
)
def test_failed_download_is_a_failed_attempt(error: str) -> None:
    found = _explain(_MCUBOOT + _NONE + _JUMP + _APP + error)
    assert found.ending == Ending.CLIENT_FAILED.value
    assert found.causes[0].code == "download_failed"


# --- negative facts ---


def test_not_confirmed_needs_a_line() -> None:
    """Without one the answer says so, and promises no revert."""
    found = _explain(_MCUBOOT + _TEST + _JUMP + _APP)
    assert found.ending == Ending.ON_TRIAL.value
    assert "no line says" in found.answer
    said = _explain(_MCUBOOT + _TEST + _JUMP + _APP + "<wrn> main: Image not confirmed\n")
    assert said.ending == Ending.TESTED.value
    assert _explain(_MCUBOOT + _TEST + _JUMP + _APP + _CONFIRMED).ending == Ending.UPGRADED.value


_LIST = """\
image=0 slot=0
    version: 1.0.0
    hash: 0x{old}
    flags: active confirmed
image=0 slot=1
    version: 1.1.0
    hash: 0x{new}
    flags: {flags}
"""
_OLD, _NEW = "b9" * 32, "63" * 32


def test_pending_image_was_perhaps_reset_since() -> None:
    """A list has no time."""
    found = _explain("", _LIST.format(old=_OLD, new=_NEW, flags="pending"))
    assert _codes(found) == {"pending_not_reset": Confidence.LIKELY}
    assert "no line shows" in found.answer


def test_list_without_flags_says_nothing_of_them() -> None:
    text = _LIST.format(old=_OLD, new=_NEW, flags="").replace("    flags: \n", "")
    assert _explain("", text).ending == Ending.UNKNOWN.value


def test_list_on_a_wide_terminal_is_read() -> None:
    """smpmgr then prints an image in one line, and None for a flag that is not set."""
    line = (
        "ImageState(slot={slot}, version='1.0.0', image=None, hash=HashBytes('{hash}'), "
        "bootable=True, pending=None, confirmed={on}, active={on}, permanent=None)\n"
    )
    listed = line.format(slot=0, hash=_OLD.upper(), on=True)
    listed += line.format(slot=1, hash=_NEW.upper(), on=None)
    found = _explain("", listed)
    assert found.ending == Ending.NOT_MARKED.value
    assert f"state-write {_NEW}" in found.causes[0].remedy


def test_resumed_test_swap_is_still_a_test() -> None:
    cut = _MCUBOOT + _TEST
    resumed = "I: Boot source: primary slot\nI: Starting swap using move algorithm.\n"
    found = _explain(cut + _MCUBOOT + resumed + _JUMP + _APP)
    assert found.ending == Ending.ON_TRIAL.value
    found = _explain(cut.replace("test", "perm") + _MCUBOOT + resumed + _JUMP + _APP)
    assert found.ending == Ending.UPGRADED.value


def test_hash_in_a_remedy_can_be_pasted() -> None:
    """smpmgr takes digits alone."""
    found = _explain("", _LIST.format(old=_OLD, new=_NEW, flags="bootable"))
    (cause,) = [c for c in found.causes if c.code == "uploaded_not_pending"]
    assert re.search(rf"state-write {_NEW}\b", cause.remedy)


# --- return codes ---


@pytest.mark.parametrize(
    ("smp", "code", "confidence"),
    [
        ("smpmgr upgrade app.bin\n 96.98 % done\nError: 3\n", "upload_refused_at_end", "possible"),
        ("mcumgr image upload app.bin\n 3.10 %\nError: 3\n", "upload_refused_midway", "possible"),
        ("mcumgr image upload zephyr.bin\nError: 3\n", "upload_header_refused", "likely"),
        ("mcumgr image upload app.bin\nError: 2\n", "server_out_of_memory", "likely"),
        (f"mcumgr image test {_NEW}\nError: 3\n", "hash_not_found", "likely"),
        ("Error: 3\n", "hash_not_found", "possible"),
        ("Error: 6\n", "slot_in_use", "possible"),
        ("Error: 2\n", "server_out_of_memory", "possible"),
        ("mcumgr image erase\nError: 6\n", "slot_in_use", "likely"),
    ],
)
def test_code_is_read_with_its_command(smp: str, code: str, confidence: str) -> None:
    found = _explain("", smp)
    assert {c.code: c.confidence.value for c in found.causes}.get(code) == confidence
    assert "mark_refused" not in _codes(found)


# --- stages and slots ---


def test_garbled_attempt_is_not_the_refused_slots() -> None:
    """NSIB burnt S1; what it starts is not told, and likely S0."""
    log = """\
Attempting to boot slot 1.
Attempting to boot from address 0x18200.
Verifying signature against key 0.
Hash: 0xaa...bb
Failed to validate signature.
Failed to validate, permanently invalidating!
Attempting to bootFirmware signature verified.
Firmware version 15
I: Starting bootloader
"""
    (boot,) = _explain(log).boots
    assert "S1 refused" in boot.text
    assert "S1 version" not in boot.text
    assert "probably S0, version 15" in boot.text


@pytest.mark.parametrize(
    "line",
    [
        "Fprotect disabled. No protection applied.",
        "LCS-awareness disabled.",
        "First boot, expecting app to write HUK.",
    ],
)
def test_line_before_an_attempt_is_none(line: str) -> None:
    log = f"*** Booting nRF Connect SDK v3.1.0 ***\n{line}\nAttempting to boot slot 0.\n"
    (boot,) = _explain(log + "Attempting to boot from address 0x8200.\n").boots
    assert boot.text == "NSIB S0"


@pytest.mark.parametrize(
    "before", ["", "*** Booting nRF Connect SDK v2.6.0 ***\n", "*** Booting Zephyr OS v3.6.0 ***\n"]
)
def test_fault_without_a_sign_of_its_stage_is_nobodys(before: str) -> None:
    """All stages crash in the same words, and up to NCS 2.6 they have the same banner."""
    fault = "E: ***** BUS FAULT *****\nE: Faulting instruction address (r15/pc): 0x0001bd9c\n"
    found = _explain(before + fault)
    assert "application" not in found.causes[0].cause
    told = _explain(_MCUBOOT + _NONE + _JUMP + _APP + fault)
    assert "in the application" in told.causes[0].cause


_TFM = """\
FATAL ERROR: SecureFault
Here is some context for the exception:
    EXC_RETURN (LR): 0xFFFFFFAD
    Exception came from non-secure FW in thread mode.
    Exception frame at: 0x2002CD40
        LR:   0x00044181
        PC:   0x0003D7B6
"""


def test_secure_fault_is_tfms_report() -> None:
    """TF-M reports it, the non-secure side caused it, and the log's own numbers name the line."""
    found = _explain(_MCUBOOT + _NONE + _JUMP + "Booting TF-M v2.1.0\n" + _APP + _TFM)
    assert len(found.boots) == 1
    cause = found.causes[0]
    assert "in TF-M" in cause.cause
    assert "non-secure" in cause.cause
    assert "build/zephyr/zephyr.elf 0x3d7b6 0x44181" in cause.remedy


def test_lost_escape_bytes_change_nothing() -> None:
    """Colours whose ESC byte was lost stay as text; boots and versions are the same."""
    lines = (_MCUBOOT + _TEST + _JUMP + _APP + _CONFIRMED).splitlines()
    coloured = "".join(f"[0m[1;32m{line}[0m\n" for line in lines)
    assert _explain(coloured).boots == _explain("\n".join(lines)).boots
    assert _explain(coloured).answer == "The upgrade happened."


def test_invalidated_slot_is_no_cause_of_an_applications_failure() -> None:
    """S1 was refused on an earlier boot; S0 runs, and what fails is another matter."""
    nsib = """\
*** Booting nRF Connect SDK v2.6.0 ***
Attempting to boot slot 1.
Attempting to boot from address 0x18200.
Firmware has been invalidated: 0x91020000.
Attempting to boot slot 0.
Attempting to boot from address 0x8200.
Firmware signature verified.
Firmware version 14
"""
    refused = "I: Image index: 0, Swap type: test\nE: Image in the secondary slot is not valid!\n"
    found = _explain(nsib + "I: Starting bootloader\n" + refused + _JUMP + _APP)
    assert "nsib_burnt_earlier" not in _codes(found)
    assert found.causes[0].code == "secondary_image_invalid"
    dead = (
        nsib[: nsib.index("Attempting to boot slot 0")] + "No bootable image found. Aborting boot."
    )
    assert "nsib_burnt_earlier" in _codes(_explain(dead))


# --- versions ---


@pytest.mark.parametrize(
    "foreign",
    [
        "<inf> wifi: firmware version: 2.4.0.0",
        "<inf> nrf_modem: modem firmware version: 1.3.6",
        "<inf> main: nRF Connect SDK version: 2.6.0",
        "<inf> app: Zephyr version 3.5.99",
        "<inf> app: nrf9160 firmware version: 1.0.0",
        "<inf> bt_hci: SoftDevice Controller version 2.0.1",
        "<inf> mcumgr: MCUboot version: 2.1.0",
        "<inf> fota: new version 1.3.0 available",
        "<inf> lcd: version 7.7.7",
    ],
)
def test_version_belongs_to_who_says_it(foreign: str) -> None:
    log = f"{_MCUBOOT}{_NONE}{_JUMP}*** Booting nRF Connect SDK v2.6.0 ***\n{foreign}\n"
    (boot,) = _explain(log + "<inf> app: version 1.2.4\n").boots
    assert "version 1.2.4" in boot.text
    (boot,) = _explain(log).boots
    assert ", version " not in boot.text


# --- one code, several stories ---


@pytest.mark.parametrize(
    ("line", "text", "confidence"),
    [
        ("area 2 size 0x32000 not divisible by sector size 0x1000", "cannot make out", "possible"),
        ("area 2 size 0x21800 not divisible by sector size 0x1000", "no multiple", "likely"),
        ("area 2 size 0x32000 not divisible by sector size 0x10000", "no multiple", "likely"),
        ("flash area 2 sector count overflow", "cannot make out", "possible"),
    ],
)
def test_partition_is_compared(line: str, text: str, confidence: str) -> None:
    found = _explain(f"{_MCUBOOT}E: {line}\n")
    (cause,) = [c for c in found.causes if c.code == "partition_does_not_fit_flash"]
    assert text in cause.cause
    assert cause.confidence.value == confidence
    assert "CONFIG_FLASH_PAGE_LAYOUT" in cause.remedy


# --- discriminating lines ---


@pytest.mark.parametrize(
    ("address", "is_null"), [("0x0", True), ("0x14", True), ("0x60000000", False)]
)
def test_null_pointer(address: str, is_null: bool) -> None:
    log = f"""\
{_APP}[00:00:01.000,000] <err> os: ***** BUS FAULT *****
[00:00:01.000,000] <err> os:   Precise data bus error
[00:00:01.000,000] <err> os:   BFAR Address: {address}
[00:00:01.000,000] <err> os: r3/a4:  0x00000000 r12/ip:  0x00000000 r14/lr:  0x00012345
[00:00:01.000,000] <err> os: Faulting instruction address (r15/pc): 0x00023456
"""
    cause = _explain(log).causes[0]
    assert ("null pointer" in cause.cause) is is_null
    assert "0x23456 0x12345`" in cause.remedy


# --- headlines ---


def test_headline_keeps_its_hedge() -> None:
    """Where the outcome is unknown the first cause leads, as sure as it is."""
    likely = _explain("*** Booting Zephyr OS build v3.6.0 ***\nmx25r6435f@0: device not ready\n")
    assert likely.answer.startswith("Likely: ")
    certain = _explain(_APP + "<err> os: ***** BUS FAULT *****\n")
    assert not certain.answer.startswith(("Likely", "Possible"))


def test_boot_line_names_both_images_and_the_network_core() -> None:
    log = f"""\
{_MCUBOOT}I: Image index: 0, Swap type: none
I: Image index: 1, Swap type: test
I: Image 1 upgrade secondary slot -> primary slot
I: Image 1 copying the secondary slot to the primary slot: 0x4ef4 bytes
I: Starting network core update
I: Turned on network core
{_JUMP}{_APP}"""
    (boot,) = _explain(log).boots
    assert "image 1: test swap" in boot.text
    assert "network core update began" in boot.text
    (boot,) = _explain(log.replace("Turned on network core", "Done updating network core")).boots
    assert "network core updated" in boot.text


def test_refused_is_said_where_something_was_refused() -> None:
    empty = _explain(f"{_MCUBOOT}E: Unable to find bootable image\n")
    assert "refused" not in empty.boots[0].text
    invalid = _explain(f"{_MCUBOOT}{_TEST}E: Image in the secondary slot is not valid!\n")
    assert "refused" in invalid.boots[0].text


def test_shell_shows_what_runs() -> None:
    log = """\
uart:~$ mcuboot
swap type: none
confirmed: 1

primary area (1):
  version: 1.2.3+0
  magic: good

failed to read secondary area (2) header: -5
"""
    found = _explain(log)
    assert "1.2.3+0" in found.boots[0].text
    assert "confirmed" in found.boots[0].text
    assert found.causes == ()
    assert found.happened is Upgraded.UNKNOWN


# --- attempts ---


_MARK = "[00:01:32.000,000] <inf> mcuboot_util: Image index: 0, Swap type: {}\n"
_SILENT = "*** Booting MCUboot v2.1.0-dev-001122334455 ***\n"


@pytest.mark.parametrize("kind", ["perm", "test"])
def test_mark_is_an_attempt(kind: str) -> None:
    """The same application afterwards, under a bootloader that prints nothing."""
    found = _explain(_APP + _MARK.format(kind) + _SILENT + _APP)
    assert found.ending == Ending.NOT_TAKEN.value
    assert found.status is Status.CAUSE_FOUND
    newer = _explain(_APP + _MARK.format(kind) + _SILENT + _APP.replace("1.2.4", "1.3.0"))
    assert newer.happened is Upgraded.YES
    none = _explain(_APP + _MARK.format("none") + _SILENT + _APP)
    assert none.ending == Ending.NO_SIGN.value


def test_keys_revoked_in_s1_are_probably_an_update() -> None:
    nsib = """\
*** Booting nRF Connect SDK v2.6.0 ***
Attempting to boot slot 1.
Attempting to boot from address 0x18200.
Verifying signature against key 1.
Hash: 0x19...73
Invalidating key 0.
Firmware signature verified.
Firmware version 2
Setting monotonic counter (version: 2, slot: 1)
"""
    for log in (nsib, nsib + _MCUBOOT + _NONE + _JUMP + _APP):
        found = _explain(log)
        assert found.ending == Ending.PROBABLY.value
        assert "Probably an upgrade" in found.answer
    first = nsib.replace("slot 1", "slot 0").replace("slot: 1", "slot: 0")
    assert _explain(first).ending != Ending.PROBABLY.value


@pytest.mark.parametrize(
    ("line", "happened"),
    [
        ("Firmware Update Successfully", Upgraded.YES),
        ("DFU update was successful", Upgraded.YES),
        ("Upload done", Upgraded.UNKNOWN),
        ("Firmware update not successful", Upgraded.UNKNOWN),
    ],
)
def test_unknown_client_in_plain_words(line: str, happened: Upgraded) -> None:
    assert _explain(f"fota.py: sending app.bin\n{line}\n").happened is happened


def test_last_attempt_decides() -> None:
    """What was refused before is shown as history."""
    refused = _TEST.splitlines(keepends=True)[0] + "E: Image in the secondary slot is not valid!\n"
    revert = "I: Image index: 0, Swap type: revert\nI: Starting swap using move algorithm.\n"
    reverted = _MCUBOOT + _TEST + _JUMP + _APP + _MCUBOOT + revert + _JUMP + _APP
    first = _MCUBOOT + refused + _JUMP + _APP
    found = _explain(first + reverted)
    assert set(_codes(found)) == {"not_confirmed"}
    assert [note.code for note in found.notes] == ["secondary_image_invalid"]
    found = _explain(reverted + first)
    assert set(_codes(found)) == {"secondary_image_invalid"}


def test_crash_of_a_new_image_is_said_first() -> None:
    """That it was not confirmed follows from it."""
    crash = "<err> os: ***** MPU FAULT *****\n<err> os: >>> ZEPHYR FATAL ERROR 20: Unknown error\n"
    revert = "I: Image index: 0, Swap type: revert\nI: Starting swap using move algorithm.\n"
    log = _MCUBOOT + _TEST + _JUMP + _APP + crash + _MCUBOOT + revert + _JUMP + _APP
    assert [cause.code for cause in _explain(log).causes] == ["cpu_fault", "not_confirmed"]


def test_watchdog_of_a_new_image_is_said_first() -> None:
    """As a crash."""
    revert = "I: Image index: 0, Swap type: revert\nI: Starting swap using move algorithm.\n"
    why = "[00:00:00.010,000] <inf> app: Reset reason: WATCHDOG\n"
    log = _MCUBOOT + _TEST + _JUMP + _APP + _MCUBOOT + revert + _JUMP + _APP + why
    assert [cause.code for cause in _explain(log).causes] == ["watchdog_reset", "not_confirmed"]


def test_phone_app_alone_is_no_board() -> None:
    """Its words are also an application's."""
    log = """\
16:18:20.100 Connecting to Zephyr...
16:18:21.300 Connected
16:18:22.000 Uploading firmware...
16:19:10.100 Sending test command...
16:19:10.400 Error: In Value (3)
"""
    found = _explain(log)
    assert found.boots == ()
    assert set(_codes(found)) == {"hash_not_found"}


def test_new_image_that_refuses_to_pair_is_a_cause() -> None:
    doubt = "[00:00:05.000,000] <wrn> bt: Security failed: level 1 err 4\n"
    found = _explain(_MCUBOOT + _PERM + _JUMP + _APP + doubt)
    assert _codes(found) == {"pairing_required": Confidence.LIKELY}
    assert found.status is Status.CAUSE_FOUND


# --- remedies ---

_DESTROYS = re.compile(r"--recover|`flash erase|eraseall|erase --all")
# To open a locked port, and to recover what is being recovered, nothing else is left.
_ASKED_FOR = {"debug_port_locked", "recover_failed"}


@pytest.mark.parametrize("pair", PAIRS, ids=lambda pair: pair.rule)
def test_no_remedy_erases_a_board_that_runs(pair: Pair) -> None:
    """In any pair's log, once a healthy boot of an application follows."""
    found = _explain(f"{pair.log.lstrip()}\n{_MCUBOOT}{_NONE}{_JUMP}{_APP}")
    harmful = {cause.code for cause in found.causes if _DESTROYS.search(cause.remedy)}
    assert harmful <= _ASKED_FOR


def test_short_text_shows_how_sure_it_is() -> None:
    found = _explain("*** Booting Zephyr OS build v3.6.0 ***\nmx25r6435f@0: device not ready\n")
    assert "(likely)" in " ".join(short_text(found))
