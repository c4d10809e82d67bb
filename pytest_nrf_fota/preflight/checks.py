"""What a simulation showed, as a table: each gate that an update has to pass, in their order.

Nothing is decided here: a check fails where the simulation failed, and says what was read there.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace

from typing_extensions import assert_never

from pytest_nrf_fota.bootlog.report import Boot, NsibAttempt
from pytest_nrf_fota.explain.board_words import board_words
from pytest_nrf_fota.explain.rules import RULES
from pytest_nrf_fota.findings.gate import Gate, Result
from pytest_nrf_fota.findings.gate_causes import GATE_CAUSES
from pytest_nrf_fota.firmware.dfu_package import UpdateFile, is_for_network_core
from pytest_nrf_fota.firmware.ext_api import requested_ext_apis, unmet
from pytest_nrf_fota.firmware.fw_info import is_preferred_to_running
from pytest_nrf_fota.firmware.image_words import GIVE_ANOTHER_BUILD, installed_already
from pytest_nrf_fota.firmware.mcuboot_image import TLV_KEYHASH, key_hash
from pytest_nrf_fota.firmware.package_kind import PackageKind
from pytest_nrf_fota.firmware.provisioning import CounterKind
from pytest_nrf_fota.firmware.trailer import FLAG_SET_BYTE, IMAGE_OK_FROM_END_BYTES, MAGIC
from pytest_nrf_fota.firmware.validation_info import ValidationInfo, find_validation_info
from pytest_nrf_fota.preflight.simulation import Sent, Simulation
from pytest_nrf_fota.sim.boot.image_check import SlotContent
from pytest_nrf_fota.smp.messages import describe_return_code
from pytest_nrf_fota.verdict.boots import trailers_without_decision

_REMEDIES = {rule.name: rule.remedy for rule in RULES}
_NO_NETWORK_FILE = (
    "Give the network core's hex file as well (merged_CPUNET.hex, before NCS 2.7 "
    "merged_domains.hex)."
)
_THEN_NOTHING_BOOTS = (
    "; it has raised the monotonic counter by then, and invalidates the MCUboot that ran, too"
)


@dataclass(frozen=True)
class _Gate:
    """A gate before the update has met it."""

    simulation: Simulation
    code: str
    name: str

    def not_reached(self, detail: str = "") -> Gate:
        return Gate(self.code, self.name, Result.NOT_REACHED, detail)

    def ok(self, detail: str) -> Gate:
        return Gate(self.code, self.name, Result.OK, detail)

    def ok_if(self, is_met: object, detail: str) -> Gate:
        return self.ok(detail) if is_met else self.not_reached(detail)

    def note(self, detail: str) -> Gate:
        return Gate(self.code, self.name, Result.NOTE, detail)

    def no(self, detail: str, cause: str, **values: object) -> Gate:
        """`cause` is its code; values are those of its texts."""
        told = GATE_CAUSES[cause]
        if not told.remedy:
            told = replace(told, remedy=_REMEDIES.get(cause, ""))
        words = board_words(self.simulation.installed.board)
        return Gate(self.code, self.name, Result.NO, detail, told.found({**words, **values}))


def checks_of(
    simulation: Simulation, network_core_file: str = "", application_lacks: str = ""
) -> tuple[Gate, ...]:
    """All gates of this update, in the order in which it meets them.

    Args:
        simulation: what happened.
        network_core_file: what to do about a network core for which nothing was given.
        application_lacks: what the installed application would need to be updated at all.
    """
    rows = [
        _installed(simulation),
        *_no_controller(simulation, network_core_file),
        *_application(simulation, application_lacks),
        *_test_image(simulation),
        _file(simulation),
        *_phone(simulation),
    ]
    file = simulation.file
    if file is None:
        return _without_advice_on_a_no(rows)
    rows += _own_trailer(simulation, file)
    for each in (_upload, _mark, _accepts):
        rows += [each(sent, simulation) for sent in simulation.sent]
    rows += [_room(simulation, file), _package_version(simulation, file)]
    rows += _dependencies(simulation, file)
    rows += _network_core(simulation, network_core_file)
    match simulation.package.kind:
        case PackageKind.APPLICATION:
            pass
        case PackageKind.MCUBOOT:
            rows += [
                _fw_info(simulation, file),
                _counter(simulation, file),
                _nsib_accepts(simulation, file),
                *_ext_apis(simulation, file),
            ]
        case _:
            assert_never(simulation.package.kind)
    rows.append(_outcome(simulation))
    return _without_advice_on_a_no(rows)


def _without_advice_on_a_no(rows: list[Gate]) -> tuple[Gate, ...]:
    """How a phone would send it is of no use where it cannot run."""
    is_no = any(row.result is Result.NO for row in rows)
    return tuple(row for row in rows if not (is_no and row.code == "phone_app"))


def _installed(simulation: Simulation) -> Gate:
    gate, installed = _Gate(simulation, "board_boots", "board boots"), simulation.installed
    if installed.halted:
        said = "; ".join(dict.fromkeys([*installed.boot.refusals, installed.halted]))
        if installed.foreign_key is not None:
            return gate.no(
                said,
                "provisioned_by_another_sdk",
                key=installed.foreign_key.index,
                word=f"0x{installed.foreign_key.word:08x}",
                valid=f"0x{installed.foreign_key.valid_word:08x}",
                revoked=f"0x{installed.foreign_key.revoked_word:08x}",
                ncs=installed.ncs,
            )
        return gate.no(said, "installed_does_not_boot", said=said)
    return gate.ok(f"{installed.boot.summary()} (NCS {installed.ncs})")


def _no_controller(simulation: Simulation, network_core_file: str) -> list[Gate]:
    if not simulation.installed.lacks_network_core:
        return []
    what_to_do = f". {network_core_file}" if network_core_file else ""
    return [
        _Gate(simulation, "network_core", "network core").note(
            "none: its flash is erased in what was given, and without it Bluetooth does not start"
            f"{what_to_do}"
        )
    ]


def _application(simulation: Simulation, lacks: str) -> list[Gate]:
    gate = _Gate(simulation, "application", "application")
    return [gate.note(f"{lacks}: a kit with it cannot be updated like this")] if lacks else []


def _test_image(simulation: Simulation) -> list[Gate]:
    active = next((image for image in simulation.installed.images if image.active), None)
    if simulation.installed.halted or active is None or active.confirmed:
        return []
    return [
        _Gate(simulation, "running_image", "running image").note(
            f"{active.version} is a test image, not confirmed: the next reset reverts it unless an "
            "update is pending"
        )
    ]


def _file(simulation: Simulation) -> Gate:
    gate, problem = _Gate(simulation, "file", "file"), simulation.choice_problem
    if simulation.installed.halted:
        return gate.not_reached()
    if problem:
        is_mcuboot = simulation.package.kind is PackageKind.MCUBOOT
        code = "no_file_for_running_slot" if is_mcuboot else "files_do_not_fit_images"
        return gate.no(problem, code, why=problem.rstrip("."))
    assert simulation.file is not None
    running = simulation.installed.running_s_slot
    why = "" if simulation.file.s_slot is None else f", because S{running} runs"
    return gate.ok(f"{simulation.file.name}{why}")


def _phone(simulation: Simulation) -> list[Gate]:
    if len(simulation.package.files) < 2 or simulation.package.kind is not PackageKind.MCUBOOT:
        return []
    gate = _Gate(simulation, "phone_app", "phone app")
    if not simulation.phone_refusal:
        return [gate.ok("sends all files; the board takes the first as well")]
    name = simulation.file.name if simulation.file else "the file for the slot that does not run"
    return [
        gate.note(
            "one that sends all files of this zip overwrites one with the other; "
            f"{simulation.phone_refusal}. Give it only {name}."
        )
    ]


def _has_own_trailer(file: UpdateFile) -> bool:
    # Only an image made with `imgtool --pad` ends with a trailer.
    return file.data.endswith(MAGIC)


def _own_trailer(simulation: Simulation, file: UpdateFile) -> list[Gate]:
    if not _has_own_trailer(file):
        return []
    is_confirmed = file.data[-IMAGE_OK_FROM_END_BYTES] == FLAG_SET_BYTE
    return [
        _Gate(simulation, "padding", "padding").note(
            f"{file.name} is padded to the whole slot (imgtool --pad"
            f"{' --confirm' if is_confirmed else ''}) and is pending by itself: it takes long to "
            f"send, and a reset takes it{' permanently' if is_confirmed else ''} unasked"
        )
    ]


def _gate_of(sent: Sent, simulation: Simulation, code: str, name: str) -> _Gate:
    is_second = is_for_network_core(sent.file) and sent.file is not simulation.file
    return _Gate(simulation, code, f"{name}, network core" if is_second else name)


def _upload(sent: Sent, simulation: Simulation) -> Gate:
    gate = _gate_of(sent, simulation, "upload", "upload")
    file, installed, size_bytes = sent.file, simulation.installed, len(sent.file.data)
    if not sent.upload.result.rc:
        return gate.ok(f"{size_bytes} bytes")
    said = describe_return_code(sent.upload.result.rc)
    detail = f"{said} after {sent.upload.taken_bytes} of {size_bytes} bytes"
    slot_bytes = installed.update_slot_bytes(file.image_index)
    if size_bytes > slot_bytes:
        sizes = {"size": f"0x{size_bytes:x}", "slot": f"0x{slot_bytes:x}"}
        return gate.no(detail, "upload_too_large", file=file.name, **sizes)
    if file.image_index > installed.network_slots:
        pairs = installed.network_slots + 1
        known = f"{pairs} image{'s'[: pairs != 1]}"
        values = {"file": file.name, "image": file.image_index, "known": known}
        return gate.no(detail, "no_such_image", **values, said=said)
    if any(image.active and not image.confirmed for image in installed.images):
        return gate.no(detail, "running_unconfirmed_test_image", said=said)
    if any(image.pending for image in installed.images):
        return gate.no(detail, "slot_in_use", said=said)
    return gate.no(detail, "upload_refused", file=file.name, said=detail)


def _mark(sent: Sent, simulation: Simulation) -> Gate:
    gate = _gate_of(sent, simulation, "set_pending", "set pending")
    if sent.mark is None:
        return gate.not_reached()
    if sent.mark.rc:
        said = describe_return_code(sent.mark.rc)
        code, values = _why_mark_refused(sent, simulation)
        return gate.no(said, code, **values, file=sent.file.name, said=said)
    if simulation.installed.overwrites:
        return gate.ok("pending; MCUboot overwrites, with no way back")
    is_permanent = sent.file.s_slot is not None or is_for_network_core(sent.file)
    return gate.ok(f"pending, {'permanent' if is_permanent else 'test'}")


def _why_mark_refused(sent: Sent, simulation: Simulation) -> tuple[str, dict[str, object]]:
    installed, image = simulation.installed.app, sent.file.image
    of_file = image.hash or b""
    if len(simulation.sent) > 1 and not simulation.installed.network_slots:
        return "one_slot_for_several_images", {}
    if installed is not None and 0 < len(installed.hash) != len(of_file):
        return "other_hash_algorithm", {"algorithm": image.hash_algorithm.upper()}
    if installed is not None and of_file and installed.hash == of_file:
        what = installed_already(sent.file.name, image.version, of_file)
        return "same_image", {"what": what, "next_step": GIVE_ANOTHER_BUILD}
    return ("pending_by_itself" if _has_own_trailer(sent.file) else "mark_refused"), {}


def _met_mcuboot(simulation: Simulation) -> bool:
    """Whether MCUboot ran with the update pending; one that is executed may print nothing."""
    main = simulation.main
    was_marked = main is not None and main.mark is not None and not main.mark.rc
    boots = simulation.boots
    return was_marked and any(boot.mcuboot is not None or boot.reached_app for boot in boots)


def _accepts(sent: Sent, simulation: Simulation) -> Gate:
    gate = _gate_of(sent, simulation, "mcuboot_accepts", "MCUboot accepts")
    file, check, image = sent.file, sent.slot_check, sent.file.image
    key, carried = image.tlv(TLV_KEYHASH), image.carried_key
    signed = f"signed with key {key.hex()[:8]}..." if key else "not signed"
    if carried is not None:
        signed = f"carries the whole key {key_hash(carried).hex()[:8]}..."
    known = simulation.installed.mcuboot_keys
    asks = f"known: {', '.join(k.hex()[:8] + '...' for k in known)}" if known else "asks for none"
    detail = f"{signed}; {asks}"
    if check is None or not _met_mcuboot(simulation):
        return gate.not_reached(detail)
    if any(one.file is file and one.is_in_place for one in simulation.became):
        # The check is our own; what an executed MCUboot took counts.
        return gate.ok(detail)
    if check.content is not SlotContent.VALID:
        if carried is not None and known:
            is_known = "the known" if key_hash(carried) in known else "an unknown"
            return gate.no(detail, "image_carries_whole_key", file=file.name, known=is_known)
        # The known ones are SHA-256; an image with a longer hash names its key by that.
        if key is not None and known and len(key) == len(known[0]) and key not in known:
            digits = [f"{each.hex()[:16]}..." for each in (key, *known)]
            keys = {"key": digits[0], "known": ", ".join(digits[1:])}
            return gate.no(detail, "image_of_another_key", file=file.name, **keys)
        code = "secondary_image_invalid" if image.is_signed else "image_not_signed"
        code = code if image.is_encrypted or image.hash_is_right else "image_damaged"
        return gate.no(f"{check.reason}; {detail}", code, why=check.reason)
    if file is not simulation.file:
        return gate.ok(detail)
    if file.s_slot is not None and any(map(trailers_without_decision, simulation.boots)):
        return gate.no("it sees the image pending and decides nothing", "mcuboot_of_one_image")
    wrong_variant = _refused_file(simulation, "wrong_s_image")
    if wrong_variant:
        return gate.no(wrong_variant, "wrong_s_file", why=wrong_variant)
    wrong_place = _refused_file(simulation, "wrong_reset_address")
    if wrong_place:
        running = simulation.installed.running_s_slot
        if file.s_slot is not None and running is not None and file.s_slot != running:
            return gate.no(wrong_place, "mcuboot_taken_for_network_core")
        values = {"file": file.name, "image": file.image_index}
        return gate.no(wrong_place, "wrong_load_address", **values)
    is_other_refused = any(
        other.slot_check is not None and other.slot_check.content is not SlotContent.VALID
        for other in simulation.sent
    )
    if _refused_file(simulation, "image_invalid") and not is_other_refused:
        # The check above allows for the whole slot.
        why = "the image reaches into the trailer's sectors"
        return gate.no(f"{why}; {detail}", "image_reaches_into_trailer", why=why)
    return gate.ok(detail)


def _was_accepted(simulation: Simulation) -> bool:
    if simulation.main is None or simulation.choice_problem:
        return False
    return _accepts(simulation.main, simulation).result is Result.OK


def _room(simulation: Simulation, file: UpdateFile) -> Gate:
    overwrites = simulation.installed.overwrites
    gate = _Gate(simulation, "room", "room in the slot" if overwrites else "room to swap")
    update_bytes = simulation.installed.update_slot_bytes(file.image_index)
    slot_bytes = simulation.installed.slot_size_bytes
    size = f"0x{len(file.data):x} of 0x{update_bytes:x} bytes"
    unequal = _refused_file(simulation, "slots_incompatible")
    if unequal:
        sizes = f"the primary slot has 0x{slot_bytes:x} bytes, the secondary 0x{update_bytes:x}"
        return gate.no(f"{sizes}: {unequal!r}", "slots_do_not_fit", sizes=sizes)
    refused = _refused_file(simulation, "no_room", "too_many_sectors")
    if refused:
        return gate.no(f"{size}: {refused!r}", "no_room_to_swap", size=size)
    return gate.ok_if(_was_accepted(simulation), size)


def _package_version(simulation: Simulation, file: UpdateFile) -> Gate:
    gate = _Gate(simulation, "package_version", "package version")
    installed, version = simulation.installed.app, file.image.version
    is_known = simulation.package.kind is PackageKind.APPLICATION and installed is not None
    old = str(installed.version) if is_known and installed is not None else ""
    guarded = simulation.installed.guards_downgrade
    guard = "downgrade prevention is on" if guarded else "any version is taken"
    detail = f"{version}{f' over {old}' if old else ''}; {guard}"
    refused = _refused_file(simulation, "downgrade", "insufficient_version")
    if not refused:
        return gate.ok_if(_was_accepted(simulation), detail)
    detail = f"{detail}: {refused!r}"
    if file.s_slot is not None:
        slot = f"S{file.s_slot}"
        return gate.no(detail, "s_slot_counts_as_newer", version=version, slot=slot)
    before = f": {old}" if old else ""
    return gate.no(detail, "downgrade_prevented", version=version, before=before)


def _dependencies(simulation: Simulation, file: UpdateFile) -> list[Gate]:
    wanted = ", ".join(
        f"image {item.image_index} in {item.lowest_version} or newer"
        for item in file.image.dependencies
    )
    if not wanted:
        return []
    gate, detail = _Gate(simulation, "dependencies", "dependencies"), f"needs {wanted}"
    if not _met_mcuboot(simulation):
        return [gate.not_reached(detail)]
    # MCUboot prints no line for it: the update is dropped and stays pending.
    is_refused = any(boot.refusals for boot in simulation.boots)
    if not is_refused and not simulation.is_in_place:
        return [gate.no(detail, "dependency_not_met", file=file.name, needs=detail)]
    return [gate.ok_if(not is_refused, detail)]


def _network_core(simulation: Simulation, network_core_file: str) -> list[Gate]:
    if simulation.network_updated is None:
        return []
    gate = _Gate(simulation, "network_core", "network core")
    if simulation.network_updated:
        return [gate.ok("holds its new firmware")]
    if simulation.installed.network_core_is_empty:
        detail = "was not given: neither b0n nor a firmware is there"
        file = network_core_file or _NO_NETWORK_FILE
        return [gate.no(detail, "network_core_not_given", network_core_file=file)]
    failed = [
        line.text.strip()
        for boot in simulation.boots
        if boot.network_core is not None
        for line in boot.network_core.failed
    ]
    too_old = "" if failed else _refused(simulation, "insufficient_version")
    seen = "".join(f": {line!r}" for line in (*failed[:1], too_old) if line)
    code = "network_core_not_newer" if too_old else "network_core_refused"
    return [gate.no(f"keeps its firmware{seen}", code, seen=seen)]


def _fw_info(simulation: Simulation, file: UpdateFile) -> Gate:
    gate = _Gate(simulation, "fw_info_version", "FW_INFO version")
    running = simulation.installed.running_s_slot
    info = file.fw_info
    if info is None or running is None:
        return gate.no("the file has no fw_info", "no_fw_info", file=file.name)
    held = simulation.installed.fw_infos[running]
    old = "unknown" if held is None else str(held.version)
    detail = f"{info.version} over {old} in S{running}"
    if not simulation.is_in_place:
        return gate.not_reached(detail)
    # NSIB's own rule; the last row says what became of it.
    if held is not None and not is_preferred_to_running(
        info.version, file.s_slot, held.version, running
    ):
        below = _below_counter(simulation, info.version)
        values = {"slot": f"S{running}", "new": info.version, "version": held.version}
        return gate.no(f"{detail}: not higher", "nsib_version_not_raised", **values, below=below)
    is_tie = held is not None and info.version == held.version
    return gate.ok(f"{detail}: a tie goes to S0" if is_tie else detail)


def _below_counter(simulation: Simulation, version: int) -> str:
    provisioning = simulation.installed.provisioning
    counter = provisioning.counter(CounterKind.NSIB_FIRMWARE) if provisioning else None
    stored = counter.value >> 1 if counter else 0
    return f", and below the monotonic counter ({stored})" if version < stored else ""


def _counter(simulation: Simulation, file: UpdateFile) -> Gate:
    gate = _Gate(simulation, "monotonic_counter", "monotonic counter")
    provisioning = simulation.installed.provisioning
    counter = provisioning.counter(CounterKind.NSIB_FIRMWARE) if provisioning else None
    tried = _attempts_at_update(simulation, file)
    if counter is None:
        return gate.ok_if(tried, "none: NSIB accepts any version")
    free = sum(1 for slot in counter.slots if slot == 0xFFFF)
    stored = counter.value >> 1
    version = file.fw_info.version if file.fw_info else None
    detail = f"{version} against {stored}; {free} of {len(counter.slots)} slots free"
    if any(attempt.below_counter for attempt in tried):
        below = f"{detail}: below the counter, and invalidated by NSIB"
        return gate.no(below, "nsib_rollback", version=version, counter=stored)
    if tried and not free and version is not None and version > stored:
        return gate.note(
            f"{detail}: NSIB cannot store the new version (error -12), and starts the image "
            "anyway; older ones are no longer refused"
        )
    return gate.ok_if(tried, detail)


def _nsib_accepts(simulation: Simulation, file: UpdateFile) -> Gate:
    gate = _Gate(simulation, "nsib_accepts", "NSIB accepts")
    provisioning = simulation.installed.provisioning
    keys = [key for key in provisioning.keys if not key.invalidated] if provisioning else []
    known = ", ".join(key.key_hash.hex()[:8] + "..." for key in keys) or "none"
    info = _validation_info(file)
    signed = "no validation info" if info is None else f"key {info.key_hash.hex()[:8]}..."
    detail = f"{signed}; provisioned: {known}"
    tried = [a for a in _attempts_at_update(simulation, file) if not a.below_counter]
    refused = [attempt for attempt in tried if attempt.invalidated is not None]
    if not refused:
        return gate.ok_if(tried, detail)
    lines = "; ".join(seen.text.strip() for seen in refused[0].errors[:2])
    if info is not None and info.key_hash not in [key.key_hash for key in keys]:
        values = {"file": file.name, "key": info.key_hash.hex(), "known": known}
        return gate.no(f"{detail}: {lines}", "nsib_wrong_key", **values)
    return gate.no(f"{detail}: {lines}", "nsib_refuses", lines=lines)


def _ext_apis(simulation: Simulation, file: UpdateFile) -> list[Gate]:
    """What the new MCUboot asks of NSIB; no gate where it asks for nothing."""
    info, data = file.fw_info, file.image.data
    requests = () if info is None else requested_ext_apis(lambda a, n: data[a : a + n], info)
    if not requests:
        return []
    gate = _Gate(simulation, "ext_apis", "EXT_APIs")
    offered = simulation.installed.nsib_offers
    lacking = unmet(requests, offered)
    asked = ", ".join(one.least.name for one in requests)
    detail = f"asks for {asked}; NSIB offers {', '.join(one.name for one in offered) or 'none'}"
    # The other attempts end before NSIB looks at this.
    tried = [one for one in _attempts_at_update(simulation, file) if one.verified is not None]
    missing = [one.least.name for one in lacking if one.is_required]
    if missing and tried:
        values = {"file": file.name, "missing": ", ".join(missing)}
        burnt = _is_running_one_burnt(simulation)
        return [gate.no(detail, "ext_api_missing", **values, then=_THEN_NOTHING_BOOTS * burnt)]
    if lacking and tried:
        names = ", ".join(one.least.name for one in lacking)
        return [gate.note(f"{detail}; it has to do without {names}")]
    return [gate.ok_if(tried, detail)]


def _is_running_one_burnt(simulation: Simulation) -> bool:
    """Whether NSIB invalidated the MCUboot that ran, because a newer one was counted before."""
    running = simulation.installed.boot.nsib_slot
    return any(
        attempt.slot == running and attempt.below_counter and attempt.invalidated
        for boot in simulation.boots
        if boot.nsib is not None
        for attempt in boot.nsib.attempts
    )


def _outcome(simulation: Simulation) -> Gate:
    gate = _Gate(simulation, "update_runs", "update runs")
    if not simulation.boots and not simulation.halted:
        return gate.not_reached()
    if simulation.will_upgrade:
        resets = simulation.resets
        return gate.ok(f"after {resets} reset{'s'[: resets != 1]}")
    if simulation.halted:
        more = ""
        last = simulation.boots[-1] if simulation.boots else Boot()
        if last.mcuboot is not None and last.nsib_slot != simulation.installed.boot.nsib_slot:
            more = (
                " A new MCUboot must know the key of the installed application: send one that "
                "knows both keys first."
            )
        return gate.no(simulation.halted, "board_would_not_boot", why=simulation.halted, more=more)
    reason = simulation.verdict.reason if simulation.verdict is not None else ""
    if not reason and simulation.is_in_place:
        reason = f"not all of it: {simulation.refusal or 'the network core keeps its firmware'}"
    reason = reason or "the old firmware runs on"
    return gate.no(reason, "update_does_not_run", why=reason)


def _refused_file(simulation: Simulation, *patterns: str) -> str:
    """Likewise, unless it cannot have been the file that this is about, which is in place."""
    return "" if simulation.is_in_place else _refused(simulation, *patterns)


def _refused(simulation: Simulation, *patterns: str) -> str:
    """The first line with which MCUboot refused for one of these reasons; empty without."""
    return next(
        (
            refusal.seen.text.strip()
            for boot in simulation.boots
            if boot.mcuboot is not None
            for refusal in boot.mcuboot.refusals
            # What it says of the primary slot is about the application that was installed.
            if refusal.pattern in patterns and refusal.slot != "primary"
        ),
        "",
    )


def _attempts_at_update(simulation: Simulation, file: UpdateFile) -> Sequence[NsibAttempt]:
    """NSIB's attempts to start the update, after MCUboot has brought it into its slot.

    On the first boot NSIB still meets what was in the slot before.
    """
    if not simulation.is_in_place:
        return ()
    return [
        attempt
        for boot in simulation.boots[1:]
        if boot.nsib is not None
        for attempt in boot.nsib.attempts
        if attempt.slot == file.s_slot
    ]


def _validation_info(file: UpdateFile) -> ValidationInfo | None:
    info = file.fw_info
    if info is None:
        return None
    payload = file.image.payload
    return find_validation_info(lambda a, n: payload[a : a + n], info.firmware_size_bytes)
