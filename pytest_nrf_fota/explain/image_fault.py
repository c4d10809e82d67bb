"""What is wrong with an image that MCUboot refused: as the package and the preflight tell.

MCUboot's own line does not say (boot/bootutil/src/loader.c: `Image in the %s slot is not valid!`).
"""

from dataclasses import dataclass
from typing import TYPE_CHECKING

from pytest_nrf_fota.explain.case import Case
from pytest_nrf_fota.explain.sent_package import sent_files
from pytest_nrf_fota.findings.finding import Confidence, Origin, Shown
from pytest_nrf_fota.findings.gate import Result
from pytest_nrf_fota.firmware.image_words import HASH_DIFFERS

if TYPE_CHECKING:
    from pytest_nrf_fota.firmware.dfu_package import UpdateFile

_KEY_DIGITS = 16
_FAULTS = {
    *("image_damaged", "image_not_signed", "image_carries_whole_key", "image_of_another_key")
}


@dataclass(frozen=True)
class FaultyImage:
    """One fault, by the code of its cause, with what shows it; `what` names the file or the key."""

    code: str
    confidence: Confidence
    what: str
    shown: tuple[Shown, ...]


def fault_of_refused_image(case: Case) -> FaultyImage | None:
    """The fault, where a package or a preflight tells it; None without both."""
    files = sent_files(case.client, case.sent_package) if case.sent_package is not None else ()
    candidates = (*map(_fault_of_file, files), _fault_by_preflight(case), _other_key(files))
    told = [fault for fault in candidates if fault is not None]
    certain = [fault for fault in told if fault.confidence is Confidence.CERTAIN]
    return next(iter((*certain, *told)), None)


def _fault_of_file(file: "UpdateFile") -> FaultyImage | None:
    from pytest_nrf_fota.firmware.mcuboot_image import TLV_KEYHASH

    image = file.image
    if image.is_encrypted:
        # Its hash is over the plain text: nothing can be said without the key.
        return None
    if not image.hash_is_right:
        named = image.hash.hex()[:_KEY_DIGITS] + "..." if image.hash else "none"
        content = image.computed_hash.hex()[:_KEY_DIGITS]
        text = f"{file.name}: {HASH_DIFFERS}: it names {named}, the content has {content}..."
        return FaultyImage("image_damaged", Confidence.CERTAIN, file.name, _of_package(text))
    if not image.is_signed:
        # An MCUboot that was built without a key would have taken it.
        text = f"{file.name}: the hash is right, not signed"
        return FaultyImage("image_not_signed", Confidence.LIKELY, file.name, _of_package(text))
    if image.carried_key is not None and image.tlv(TLV_KEYHASH) is None:
        # An MCUboot that was built with CONFIG_BOOT_HW_KEY would have looked for it.
        text = f"{file.name}: the hash is right, carries the whole key (PUBKEY), no KEYHASH"
        return FaultyImage(
            "image_carries_whole_key", Confidence.LIKELY, file.name, _of_package(text)
        )
    return None


def _fault_by_preflight(case: Case) -> FaultyImage | None:
    if case.preflight is None:
        return None
    done = case.preflight.done
    gates = [gate for gate in done.checks if gate.code == "mcuboot_accepts"]
    refused = next((gate for gate in gates if gate.result is Result.NO), None)
    gate = refused or next((gate for gate in gates if gate.result is Result.OK), None)
    if gate is None:
        return None
    text = f"preflight: {gate.name}: {gate.result.value}: {gate.detail}"
    shown = (Shown(case.client_origin, case.preflight.line_number, text),)
    if gate.result is Result.OK:
        return FaultyImage("image_damaged_on_the_way", Confidence.LIKELY, done.package, shown)
    if gate.finding is None or gate.finding.code not in _FAULTS:
        return None
    return FaultyImage(gate.finding.code, Confidence.CERTAIN, done.package, shown)


def _other_key(files: "tuple[UpdateFile, ...]") -> FaultyImage | None:
    """What is left where hash and signature are there: only MCUboot knows its keys."""
    if not files:
        return None
    from pytest_nrf_fota.firmware.known_keys import public_knowledge
    from pytest_nrf_fota.firmware.mcuboot_image import TLV_KEYHASH

    texts, keys = [], []
    for file in files:
        key = file.image.tlv(TLV_KEYHASH)
        if key is None:
            continue
        known = public_knowledge(key)
        public = f", a public key: {known}" if known is not None else ""
        digits = f"{key.hex()[:_KEY_DIGITS]}..."
        keys.append(digits)
        texts.append(f"{file.name}: the hash is right, signed with key {digits}{public}")
    if not texts:
        return None
    what = ", ".join(dict.fromkeys(keys))
    return FaultyImage("image_of_another_key", Confidence.LIKELY, what, _of_package(*texts))


def _of_package(*texts: str) -> tuple[Shown, ...]:
    return tuple(Shown(Origin.PACKAGE, None, text) for text in texts)
