"""What is wrong with an image that MCUboot refused: as the package and the preflight tell.

MCUboot's own line does not say (boot/bootutil/src/loader.c: `Image in the %s slot is not valid!`).
"""

from dataclasses import dataclass
from enum import Enum
from typing import TYPE_CHECKING

from pytest_nrf_fota.explain.case import Case
from pytest_nrf_fota.explain.known_lines import Origin
from pytest_nrf_fota.explain.rule import Confidence, Shown
from pytest_nrf_fota.explain.sent_package import sent_files
from pytest_nrf_fota.firmware.image_words import (
    CARRIES_KEY,
    HASH_DIFFERS,
    MCUBOOT_ACCEPTS,
    NOT_SIGNED,
    SIGNED_WITH_KEY,
)

if TYPE_CHECKING:
    from pytest_nrf_fota.firmware.dfu_package import UpdateFile

_KEY_DIGITS = 16


class ImageFault(Enum):
    """Why MCUboot refuses an image, one cause each."""

    DAMAGED = "damaged"
    NOT_SIGNED = "not signed"
    WHOLE_KEY = "carries the whole key"
    OTHER_KEY = "signed with another key"
    DAMAGED_ON_THE_WAY = "damaged on the way"


@dataclass(frozen=True)
class FaultyImage:
    """One fault with what shows it; `what` names the file or the key in words."""

    fault: ImageFault
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
        return FaultyImage(ImageFault.DAMAGED, Confidence.CERTAIN, file.name, _of_package(text))
    if not image.is_signed:
        # An MCUboot that was built without a key would have taken it.
        text = f"{file.name}: the hash is right, {NOT_SIGNED}"
        return FaultyImage(ImageFault.NOT_SIGNED, Confidence.LIKELY, file.name, _of_package(text))
    if image.carried_key is not None and image.tlv(TLV_KEYHASH) is None:
        # An MCUboot that was built with CONFIG_BOOT_HW_KEY would have looked for it.
        text = f"{file.name}: the hash is right, {CARRIES_KEY} (PUBKEY), no KEYHASH"
        return FaultyImage(ImageFault.WHOLE_KEY, Confidence.LIKELY, file.name, _of_package(text))
    return None


def _fault_by_preflight(case: Case) -> FaultyImage | None:
    if case.preflight is None:
        return None
    gates = [c for c in case.preflight.done.checks if c.name.startswith(MCUBOOT_ACCEPTS)]
    refused = next((gate for gate in gates if gate.result == "NO"), None)
    gate = refused or next((gate for gate in gates if gate.result == "ok"), None)
    if gate is None:
        return None
    text = f"preflight: {gate.name}: {gate.result}: {gate.detail}"
    shown = (Shown(case.client_origin, case.preflight.line_number, text),)
    if refused is None:
        what = case.preflight.done.package
        return FaultyImage(ImageFault.DAMAGED_ON_THE_WAY, Confidence.LIKELY, what, shown)
    fault, what = _fault_in(gate.detail), case.preflight.done.package
    if fault is None:
        return None
    if fault is ImageFault.OTHER_KEY:
        what = gate.detail.removeprefix(SIGNED_WITH_KEY).replace("known", "MCUboot has").strip()
    return FaultyImage(fault, Confidence.CERTAIN, what, shown)


def _fault_in(detail: str) -> ImageFault | None:
    if HASH_DIFFERS in detail:
        return ImageFault.DAMAGED
    if detail.startswith(CARRIES_KEY):
        return ImageFault.WHOLE_KEY
    if NOT_SIGNED in detail:
        return ImageFault.NOT_SIGNED
    return ImageFault.OTHER_KEY if detail.startswith(SIGNED_WITH_KEY) else None


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
        texts.append(f"{file.name}: the hash is right, {SIGNED_WITH_KEY} {digits}{public}")
    if not texts:
        return None
    what = ", ".join(dict.fromkeys(keys))
    return FaultyImage(ImageFault.OTHER_KEY, Confidence.LIKELY, what, _of_package(*texts))


def _of_package(*texts: str) -> tuple[Shown, ...]:
    return tuple(Shown(Origin.PACKAGE, None, text) for text in texts)
