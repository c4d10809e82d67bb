"""What this session's reports must not tell: secrets, and with `--anonymise` whose they are."""

from pathlib import Path

import pytest

from pytest_nrf_fota.boards.board import RadioSettings
from pytest_nrf_fota.record.secrets import Secrets, secrets_of_environment
from pytest_nrf_fota.report.masking import Mask

_secrets_key: pytest.StashKey[Secrets] = pytest.StashKey()
_mask_key: pytest.StashKey[Mask] = pytest.StashKey()


def secrets_of(config: pytest.Config) -> Secrets:
    """This session's secrets: those of the environment, and the private keys it was given."""
    secrets = config.stash.get(_secrets_key, None)
    if secrets is None:
        secrets = config.stash[_secrets_key] = secrets_of_environment()
        for option in ("nsib_key", "mcuboot_key"):
            path: Path | None = config.getoption(f"nrf_fota_{option}")
            if path is not None:
                secrets.add_key_file(path)
    return secrets


def begin_hiding(config: pytest.Config, radio: RadioSettings) -> None:
    """Know the passkeys of a board before anything is written of it."""
    if radio.pairing == "passkey":
        secrets_of(config).add_passkey(radio.passkey)


def mask_of(config: pytest.Config) -> Mask:
    """What every text of a report goes through."""
    mask = config.stash.get(_mask_key, None)
    if mask is None:
        mask = config.stash[_mask_key] = secrets_of(config).masked_report
    return mask


def finish_hiding(config: pytest.Config) -> None:
    """Look once more at files that other plugins wrote at the end."""
