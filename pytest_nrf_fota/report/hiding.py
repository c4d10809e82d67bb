"""What this session's reports must not tell: secrets, and with `--anonymise` whose they are."""

import re
from pathlib import Path

import pytest

from pytest_nrf_fota.boards.board import RadioSettings
from pytest_nrf_fota.record.run import whose_machine
from pytest_nrf_fota.record.secrets import Secrets, secrets_of_environment
from pytest_nrf_fota.report.masking import Mask
from pytest_nrf_fota.report.pseudonyms import Pseudonyms, pseudonym_key

_secrets_key: pytest.StashKey[Secrets] = pytest.StashKey()
_pseudonyms_key: pytest.StashKey[Pseudonyms] = pytest.StashKey()
_HOST = re.compile(r'(?<=\bhostname=")[^"]*')


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
    """Know what is to be hidden before anything is written.

    Raises `InputError` where pseudonyms are asked for and cannot be made.
    """
    if radio.pairing == "passkey":
        secrets_of(config).add_passkey(radio.passkey)
    if config.getoption("nrf_fota_anonymise"):
        pseudonyms = Pseudonyms(pseudonym_key(), whose_machine(), [config.rootpath])
        given: list[str] = config.getoption("nrf_fota_device_id")
        for kit in given:
            pseudonyms.add_kit(kit)
        config.stash[_pseudonyms_key] = pseudonyms


def pseudonyms_of(config: pytest.Config) -> Pseudonyms | None:
    """What names become in this session's reports; None where they stay."""
    return config.stash.get(_pseudonyms_key, None)


def mask_of(config: pytest.Config) -> Mask:
    """What every text of a report goes through."""
    secrets, pseudonyms = secrets_of(config), pseudonyms_of(config)
    if pseudonyms is None:
        return secrets.masked_report
    return lambda text: pseudonyms.masked(secrets.masked_report(text))


def finish_hiding(config: pytest.Config) -> None:
    """Look once more at files that pytest and other plugins wrote at the end.

    What did not come with a report is in none of the hooks: properties of a suite, names of hosts.
    """
    secrets, pseudonyms = secrets_of(config), pseudonyms_of(config)
    for option in ("xmlpath", "htmlpath", "json_report_file"):
        given = config.getoption(option, None)
        path = Path(config.invocation_params.dir, given) if given else None
        if path is None or not path.is_file():
            continue
        written = path.read_text(encoding="utf-8")
        text = secrets.without_values(written)
        if pseudonyms is not None:
            if option == "xmlpath":
                host = pseudonyms.host
                text = _HOST.sub(lambda found: host(found[0]), text)  # noqa: B023
            text = pseudonyms.masked(text)
        if text != written:
            unfinished = path.with_name(f".{path.name}.part")
            unfinished.write_text(text, encoding="utf-8")
            unfinished.replace(path)
