"""What a verdict was judged from, as JSON for a recording; of firmware, its hash alone.

Bytes are equal to others exactly where their hashes are, which is all that a judge asks of them,
but for one thing: whether a line that a core printed stands in a firmware. That is lost.
"""

import hashlib
from dataclasses import replace
from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field, JsonValue, TypeAdapter
from typing_extensions import assert_never

from pytest_nrf_fota.verdict.app_evidence import AppIdentity
from pytest_nrf_fota.verdict.facts import AppUpdate, McubootUpdate, NetworkUpdate, Update
from pytest_nrf_fota.verdict.mcuboot_evidence import McubootTarget, SlotState
from pytest_nrf_fota.verdict.network_evidence import NetworkTarget


class _Kept(BaseModel):
    # The dataclasses within have no settings of their own, and take these.
    model_config = ConfigDict(
        frozen=True, extra="forbid", ser_json_bytes="base64", val_json_bytes="base64"
    )


class _KeptApp(_Kept):
    kind: Literal["application"] = "application"
    update: AppIdentity
    before: AppIdentity | None
    running: AppIdentity | None
    swaps: bool


class _KeptMcuboot(_Kept):
    kind: Literal["mcuboot"] = "mcuboot"
    target: McubootTarget
    in_slot: SlotState
    in_other: SlotState


class _KeptNetwork(_Kept):
    kind: Literal["network"] = "network"
    target: NetworkTarget
    held: bytes
    lines: tuple[str, ...]


_KEPT: TypeAdapter[_KeptApp | _KeptMcuboot | _KeptNetwork] = TypeAdapter(
    Annotated[_KeptApp | _KeptMcuboot | _KeptNetwork, Field(discriminator="kind")]
)
_JSON: TypeAdapter[JsonValue] = TypeAdapter(JsonValue)


def keep_update(update: Update) -> JsonValue:
    """What was sent and what memory holds of it, as JSON."""
    kept: _KeptApp | _KeptMcuboot | _KeptNetwork
    match update:
        case AppUpdate():
            kept = _KeptApp(
                update=update.update,
                before=update.before,
                running=update.running,
                swaps=update.swaps,
            )
        case McubootUpdate():
            target = replace(update.target, firmware=_hash(update.target.firmware))
            kept = _KeptMcuboot(target=target, in_slot=update.in_slot, in_other=update.in_other)
        case NetworkUpdate():
            network = replace(
                update.target,
                firmware=_hash(update.target.firmware),
                before=None if update.target.before is None else _hash(update.target.before),
            )
            held = _hash(update.held)
            kept = _KeptNetwork(target=network, held=held, lines=tuple(update.lines))
        case _:
            assert_never(update)
    return _JSON.validate_json(kept.model_dump_json())


def kept_update(value: JsonValue) -> Update:
    """The same, from JSON. Raises `pydantic.ValidationError`."""
    kept = _KEPT.validate_json(_JSON.dump_json(value))
    match kept:
        case _KeptApp():
            return AppUpdate(kept.update, kept.before, kept.running, kept.swaps)
        case _KeptMcuboot():
            return McubootUpdate(kept.target, kept.in_slot, kept.in_other)
        case _KeptNetwork():
            return NetworkUpdate(kept.target, kept.held, kept.lines)
        case _:
            assert_never(kept)


def _hash(firmware: bytes) -> bytes:
    return hashlib.sha256(firmware).digest()
