"""Wait until a board's application is ready, and notice early that it never will be."""

from collections.abc import Callable

from pytest_nrf_fota.bootlog.catalogue import LINES
from pytest_nrf_fota.console.console import Console
from pytest_nrf_fota.console.expect import Seen, expect
from pytest_nrf_fota.console.log import LogPosition
from pytest_nrf_fota.deadline import Deadline
from pytest_nrf_fota.errors import BoardError, LineNotSeenError

# A trial image that crashes once is reverted by the reset that follows; nothing ends a loop.
CRASHES_OF_A_LOOP = 3
_FATAL_ERROR = LINES["fatal_error"].regex.pattern
# MCUboot's last line before it starts the application.
_APP_STARTS = LINES["chainload"].regex.pattern
_LOOK_FOR_POWER_S = 1.0


def wait_until_ready(
    console: Console,
    ready: str,
    *,
    since: LogPosition,
    deadline: Deadline,
    app_start_s: float,
    has_power: Callable[[], bool] = lambda: True,
) -> None:
    """Wait for the application's ready line after `since`.

    Args:
        console: the board's.
        ready: the line, as a regular expression.
        since: text before this place is not looked at.
        deadline: for bootloaders and application together, a swap included.
        app_start_s: how long an application may take from MCUboot's last line on.
        has_power: whether the board has; asked every second, because without it nothing comes.

    Raises:
        LineNotSeenError: it did not come in time.
        BoardError: the application crashes in boot after boot, or the power is cut.
        ConsoleLostError: the port vanished.
    """
    place, crashes = since, 0
    until = deadline
    while True:
        seen = _expect_with_power(console, ready, place, until, has_power)
        place = seen.end
        match seen.index:
            case 0:
                return
            case 1:
                crashes += 1
                if crashes == CRASHES_OF_A_LOOP:
                    raise BoardError(
                        f"The application crashes in each boot, {crashes} times so far: "
                        f"{seen[0].strip()!r}",
                        where=f"{console.port}, full log: {console.raw_log_path}",
                        next_step="Look at the fault above that line; program another firmware, "
                        "since nothing reverts an image that is permanent.",
                    )
                until = deadline
            case _:
                until = deadline.within(app_start_s)


def power_is_cut(where: str) -> BoardError:
    """The error of a wait for a board whose power a test has cut."""
    return BoardError(
        "The board has no power: `faults` cut it.",
        where=where,
        next_step="faults.wait_for_power_loss(30) waits for that, faults.restore_power() lets the "
        "board boot, dut.wait_for_boot(since) waits for its application.",
    )


def _expect_with_power(
    console: Console,
    ready: str,
    since: LogPosition,
    deadline: Deadline,
    has_power: Callable[[], bool],
) -> Seen:
    while True:
        look = deadline.within(_LOOK_FOR_POWER_S)
        try:
            return expect(
                console,
                [ready, _FATAL_ERROR, _APP_STARTS],
                since=since,
                deadline=look,
                what="the application's ready line",
            )
        except LineNotSeenError:
            if not has_power():
                raise power_is_cut(console.port) from None
            if look is deadline:
                raise
