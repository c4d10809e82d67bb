"""The passkey of a board: what it shows on its console when it pairs, or a fixed one."""

from collections.abc import Callable

from pytest_nrf_fota.boards.board import RadioSettings
from pytest_nrf_fota.console.console import Console
from pytest_nrf_fota.console.expect import expect
from pytest_nrf_fota.deadline import Deadline


def passkey_source(
    console: Console, settings: RadioSettings
) -> Callable[[], Callable[[Deadline], int]]:
    """Where a pairing has its passkey from (smp/pairing.py, `PasskeySource`)."""
    fixed = settings.fixed_passkey
    if fixed is None:
        return passkey_on_console(console, settings.passkey)
    return lambda: lambda _deadline: fixed


def passkey_on_console(console: Console, pattern: str) -> Callable[[], Callable[[Deadline], int]]:
    """Let a pairing read its passkey from the console (smp/pairing.py, `PasskeySource`).

    Args:
        console: where the board shows it.
        pattern: regular expression with a group `passkey`.
    """

    def begin() -> Callable[[Deadline], int]:
        since = console.position()

        def wait(deadline: Deadline) -> int:
            seen = expect(
                console, pattern, since=since, deadline=deadline, what="the passkey for pairing"
            )
            passkey = seen["passkey"]
            # It may come out elsewhere, without a word beside it.
            console.secrets.add_passkey(passkey)
            return int(passkey)

        return wait

    return begin
