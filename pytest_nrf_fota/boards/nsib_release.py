"""What differs between releases of NSIB."""

from dataclasses import dataclass, replace
from enum import Enum

_ERASED_WORD = 0xFFFFFFFF


class KeyState(Enum):
    """What the word in front of a provisioned key's hash says to NSIB."""

    VALID = "valid"
    REVOKED = "revoked"
    UNKNOWN = "unknown"


@dataclass(frozen=True)
class KeyWords:
    """The words in front of provisioned keys: up to NCS 2.6 one for all keys, then by its index.

    Args:
        valid_word: of the first key; None where every word but the revoked one will do.
        revoked_word: of the first key.
        index_shift: how far left a key's index is shifted into both; None where it is not.
    """

    valid_word: int | None
    revoked_word: int
    index_shift: int | None = None

    def valid(self, index: int) -> int | None:
        """The word of a key that may be used; None where any will do."""
        return None if self.valid_word is None else self.valid_word | self._part(index)

    def provisioned(self, index: int) -> int:
        """The word that provision.py writes."""
        valid = self.valid(index)
        return _ERASED_WORD if valid is None else valid

    def revoked(self, index: int) -> int:
        """The word of a key that was revoked."""
        return self.revoked_word | self._part(index)

    def state(self, index: int, word: int) -> KeyState:
        """What a key's word says."""
        if word == self.revoked(index):
            return KeyState.REVOKED
        valid = self.valid(index)
        return KeyState.VALID if valid is None or word == valid else KeyState.UNKNOWN

    def is_provisioned(self, index: int, word: int) -> bool:
        """Whether provision.py of that SDK writes this word."""
        return word == self.provisioned(index)

    def _part(self, index: int) -> int:
        return 0 if self.index_shift is None else index << self.index_shift


@dataclass(frozen=True)
class NsibRelease:
    """NSIB of one nRF Connect SDK release (tags of sdk-nrf).

    Args:
        key_words: words that mark provisioned keys as valid or revoked (bl_storage.c).
        panics_at_unknown_key_word: whether any other word ends in k_panic() (key_is_valid).
        provisions_empty_counters: whether provision.py writes the counters' type and number where
            there are none (sdk-nrf scripts/bootloader/provision.py before it had add_hw_counters).
        most_keys: how many keys it takes; None for any number (verify_public_keys).
        has_log_levels: whether validation lines (bl_validation.c) go through minimal logging, with
            `I: `, `W: ` or `E: ` in front.
        says_reading_version: whether `Trying to get Firmware version` is printed.
        says_no_counter: whether `Error getting monotonic counter` is printed.
        ends_counter_line_twice: whether an empty line follows `Setting monotonic counter (...)`.
        invalidated_word: how `Firmware has been invalidated` is spelt.
        fw_info_offsets_bytes: where in a slot the struct is looked for (fw_info_bare.h).
        counter_errors_are_fatal: whether a slot is refused whose version cannot be counted
            (main.c).
        counts_versions: whether builds have rollback protection unless they say otherwise.
        b0n_says_why: whether b0n prints its validation lines (`external`).
        survives_unmet_ext_api: whether it goes on where a firmware requires an EXT_API that it does
            not offer (bl_boot.c). Up to 2.9 it notices when UART, vector table and stack are given
            up already, and returns over a stack that is not its own (sdk-nrf pull request 20823).
    """

    key_words: KeyWords
    panics_at_unknown_key_word: bool = False
    provisions_empty_counters: bool = False
    most_keys: int | None = None
    has_log_levels: bool = False
    says_reading_version: bool = False
    says_no_counter: bool = False
    ends_counter_line_twice: bool = False
    invalidated_word: str = "Firwmare"
    fw_info_offsets_bytes: tuple[int, ...] = (0, 0x200, 0x400, 0x800, 0x1000)
    counter_errors_are_fatal: bool = False
    counts_versions: bool = True
    b0n_says_why: bool = False
    survives_unmet_ext_api: bool = False


# sdk-nrf bl_storage.c: INVALID_VAL up to v2.6.0; TOKEN_IDX_OFFSET and what lies beside it later.
_KEY_WORDS_2_3 = KeyWords(None, 0xFFFF0000)
_KEY_WORDS_2_7 = KeyWords(0x50FAFFFF, 0x50FA0000, 24)

NSIB_2_3 = NsibRelease(_KEY_WORDS_2_3, provisions_empty_counters=True)
NSIB_2_6 = replace(NSIB_2_3, provisions_empty_counters=False)
NSIB_2_7 = replace(
    NSIB_2_6, key_words=_KEY_WORDS_2_7, panics_at_unknown_key_word=True, most_keys=16
)
NSIB_2_8 = replace(
    NSIB_2_7,
    has_log_levels=True,
    ends_counter_line_twice=True,
    invalidated_word="Firmware",
    b0n_says_why=True,
)
NSIB_2_9 = replace(
    NSIB_2_8,
    ends_counter_line_twice=False,
    says_reading_version=True,
    says_no_counter=True,
    fw_info_offsets_bytes=(0, 0x200, 0x400, 0x600, 0x800, 0xE00, 0x1000),
)
NSIB_3_0 = replace(NSIB_2_9, b0n_says_why=False, survives_unmet_ext_api=True)
# CONFIG_SB_MONOTONIC_COUNTER_ROLLBACK_PROTECTION is off unless a build asks for it.
NSIB_3_2 = replace(NSIB_3_0, counter_errors_are_fatal=True, counts_versions=False)
KEY_WORDS_BY_SDK = (("up to NCS 2.6", _KEY_WORDS_2_3), ("of NCS 2.7 and later", _KEY_WORDS_2_7))
"""Whose NSIB provisions which words."""


def is_key_word(index: int, word: int) -> bool:
    """Whether any release writes this word in front of a key."""
    return any(
        word == words.revoked(index) or words.is_provisioned(index, word)
        for _, words in KEY_WORDS_BY_SDK
    )


def history_of_key_word(index: int, word: int) -> str:
    """Who wrote a key's word, and what for."""
    for sdk, words in KEY_WORDS_BY_SDK:
        if word == words.revoked(index):
            return f"revoked by the word of NSIB {sdk}"
        if words.is_provisioned(index, word):
            return f"for NSIB {sdk}"
    return f"wrong word 0x{word:08x}, which no release writes"


NSIB_RELEASES = (NSIB_2_3, NSIB_2_6, NSIB_2_7, NSIB_2_8, NSIB_2_9, NSIB_3_0, NSIB_3_2)
"""All that differ, oldest first."""
