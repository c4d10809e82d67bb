"""Lines that say of themselves that they are errors, whatever they are about.

They are looked for only where no other line of the catalogue fits, and tell no stage.
"""

from pytest_nrf_fota.bootlog.catalogue.pattern import Family, LogPattern

ERROR_LINES: tuple[LogPattern, ...] = (
    Family(None, "Zephyr's log levels, subsys/logging/log_output.c").line(
        "error_line",
        r"(?:<err> (?P<module>[\w.-]+): |(?:^|[$>] ?)E: )(?P<text>.*\S)",
        "A program logged an error.",
        "[00:00:12.000,000] <err> dl: [401] Unauthorized",
        "E: Cannot mount the file system",
        anchor=("<err> ", "E: "),
    ),
)
