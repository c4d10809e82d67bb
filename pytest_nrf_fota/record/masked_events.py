"""An event without secrets."""

from pydantic import JsonValue, TypeAdapter

from pytest_nrf_fota.record.events import RECORDED_LINE, Recorded
from pytest_nrf_fota.record.secrets import Secrets

_JSON: TypeAdapter[JsonValue] = TypeAdapter(JsonValue)
# Words of the format itself, and what is no text.
_NOT_TEXT = frozenset(
    {"kind", "state", "direction", "end", "use", "core", "base64", "sha256", "file"}
)
# An SMP answer in hex, which is played back.
_DIGITS_KEY = "raw"
_PASSKEY_KEYS = frozenset({"passkey", "fixed_passkey"})


def masked_recorded(recorded: Recorded, secrets: Secrets) -> Recorded:
    """The same event; each of its texts is looked at."""
    value = _JSON.validate_json(recorded.model_dump_json())
    return RECORDED_LINE.validate_python(masked_value(value, secrets))


def masked_value(value: JsonValue, secrets: Secrets, key: str = "") -> JsonValue:
    """JSON without secrets. A passkey in a board's settings has no word beside it but its key."""
    match value:
        case str() if key in _PASSKEY_KEYS and value.isdigit():
            return "0" * len(value)
        case int() if key in _PASSKEY_KEYS:
            return 0
        case str() if key == _DIGITS_KEY:
            return secrets.masked_digits(value)
        case str():
            return value if key in _NOT_TEXT else secrets.masked(value)
        case list():
            return [masked_value(item, secrets, key) for item in value]
        case dict():
            return {name: masked_value(item, secrets, name) for name, item in value.items()}
        case _:
            return value
