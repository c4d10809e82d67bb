"""What differs between releases of NSIB."""

from dataclasses import dataclass, replace

from pytest_nrf_fota.firmware.fw_info import SEARCH_OFFSETS_BYTES
from pytest_nrf_fota.firmware.provisioning import KEY_WORDS_2_3, KEY_WORDS_2_7, KeyWords


@dataclass(frozen=True)
class NsibRelease:
    """NSIB of one nRF Connect SDK release (tags of sdk-nrf).

    Args:
        key_words: words that mark provisioned keys as valid or revoked (bl_storage.c).
        panics_at_unknown_key_word: whether any other word ends in k_panic() (key_is_valid).
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
        counts_versions: whether the build has rollback protection; an option from 3.2 on.
        b0n_says_why: whether b0n prints its validation lines (`external`).
    """

    key_words: KeyWords
    panics_at_unknown_key_word: bool = False
    most_keys: int | None = None
    has_log_levels: bool = False
    says_reading_version: bool = False
    says_no_counter: bool = False
    ends_counter_line_twice: bool = False
    invalidated_word: str = "Firwmare"
    fw_info_offsets_bytes: tuple[int, ...] = SEARCH_OFFSETS_BYTES
    counter_errors_are_fatal: bool = False
    counts_versions: bool = True
    b0n_says_why: bool = False


NSIB_2_3 = NsibRelease(KEY_WORDS_2_3)
NSIB_2_7 = replace(NSIB_2_3, key_words=KEY_WORDS_2_7, panics_at_unknown_key_word=True, most_keys=16)
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
NSIB_3_0 = replace(NSIB_2_9, b0n_says_why=False)
NSIB_3_2 = replace(NSIB_3_0, counter_errors_are_fatal=True)
