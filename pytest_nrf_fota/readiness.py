"""Wait until a board's application is ready, and notice early that it never will be."""

from pytest_nrf_fota.console.console import Console
from pytest_nrf_fota.console.expect import expect
from pytest_nrf_fota.console.log import LogMark
from pytest_nrf_fota.deadline import Deadline
from pytest_nrf_fota.errors import BoardError

# A trial image that crashes once is reverted by the reset that follows; nothing ends a loop.
CRASHES_OF_A_LOOP = 3
# Zephyr's kernel/fatal.c.
_FATAL_ERROR = r"ZEPHYR FATAL ERROR (?P<fatal>.*)"
# MCUboot's last word before it starts the application (facts/dual-stage-boot.md, 4.4).
_APP_STARTS = r"Bootloader chainload address offset"


def wait_until_ready(
    console: Console, ready: str, *, since: LogMark, deadline: Deadline, app_start_s: float
) -> None:
    """Wait for the application's ready line after `since`.

    Args:
        console: the board's.
        ready: the line, as a regular expression.
        since: text before this mark is not looked at.
        deadline: for bootloaders and application together, a swap included.
        app_start_s: how long an application may take from MCUboot's last line on.

    Raises:
        NotSeenError: it did not come in time.
        BoardError: the application crashes in boot after boot.
        ConsoleLostError: the port vanished.
    """
    place, crashes = since, 0
    until = deadline
    while True:
        seen = expect(
            console,
            [ready, _FATAL_ERROR, _APP_STARTS],
            since=place,
            deadline=until,
            what="the application's ready line",
        )
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
                        "since nothing reverts an image that was marked for good.",
                    )
                until = deadline
            case _:
                until = deadline.within(app_start_s)
