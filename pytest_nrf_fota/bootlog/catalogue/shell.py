"""The Zephyr shell on the same UART."""

from pytest_nrf_fota.bootlog.catalogue.pattern import Family, Stage

_SHELL = Family(Stage.APP, "Zephyr flash_shell.c")
_MCUBOOT = Family(Stage.APP, "a public log")

PATTERNS = (
    _SHELL.line(
        "prompt",
        r"(?:^|[^\w])(?P<prompt>(?:uart|rtt|shell|bt|ncs|at|thread|telnet)\w*:?~?[$>]) ?"
        r"(?P<command>[a-z][\w-]*(?: [^\[*].*)?)?\s*$",
        "The shell waits for a command, or was given one.",
        "uart:~$",
        "uart:~$ mcuboot",
        "uart:~$ flash erase mx25r6435f@0 0 800000",
        # Levels in angle brackets are in every line of an application.
        anchor=("$", "t>", "l>", "h>", "~>", ":>", "0>"),
    ),
    _SHELL.line(
        "shell_done",
        r"^(?P<what>Erase success\.|Write OK\.|Verified\.|Erase OK\.|Erase-Write test done\.)\s*$",
        "A shell command did what it was asked.",
        "Erase success.",
        "Write OK.",
        "Verified.",
        "Erase OK.",
        "Erase-Write test done.",
        anchor=("success", "OK.", "Verified", "done."),
    ),
    _SHELL.line(
        "shell_failed",
        r"(?P<what>(?P<flash>Erase Failed, code (?P<code>-?\d+)\.|Given flash device was not found"
        r"|Default flash driver not ready|No flash device specified \(required\))"
        r"|Read ERROR!|Write internal ERROR!|Verification (?:read )?ERROR!"
        r"|Missing data to be written\.|Missing address\."
        r"|Could not determine page size, code -?\d+\."
        r"|<size> must be at most 0x[0-9a-f]+\.|flash:unknown parameter: )",
        "A shell command failed.",
        "Erase Failed, code -22.",
        "Read ERROR!",
        "Write internal ERROR!",
        "Verification ERROR!",
        "Given flash device was not found",
        "Default flash driver not ready",
        "No flash device specified (required)",
        "Could not determine page size, code -22.",
        anchor=(
            "ailed, code",
            "ERROR",
            "Missing ",
            "flash device",
            "flash driver",
            "page size",
            "must be at most",
            "not found",
            "unknown parameter",
        ),
    ),
    _SHELL.line(
        "shell_refused",
        r"(?P<what>[^\n]*(?:command not found|wrong parameter count)"
        r"|Please specify a subcommand\.|Too many arguments in the command\.)",
        "The shell knows no such command, or wants other arguments.",
        "foo: command not found",
        "flash: wrong parameter count",
        "Please specify a subcommand.",
        "Too many arguments in the command.",
        anchor=("command not found", "parameter count", "subcommand", "many arguments"),
    ),
    _SHELL.line(
        "shell_area_unreadable",
        r"failed to read (?P<name>\w+) area \((?P<area>\d+)\) (?P<what>[\w ]+): (?P<code>-?\d+)",
        "The shell could not read an image area.",
        "failed to read secondary area (2) header: -5",
        anchor="failed to read ",
    ),
    _MCUBOOT.line(
        "shell_swap_type",
        r"^swap type: (?P<swap_type>\w+)",
        "What the next boot will do, as the shell command `mcuboot` shows.",
        "swap type: none",
        "swap type: test",
    ),
    _MCUBOOT.line(
        "shell_confirmed",
        r"^confirmed: (?P<confirmed>[01])",
        "Whether the running image stays.",
        "confirmed: 1",
        "confirmed: 0",
    ),
    _MCUBOOT.line(
        "shell_area",
        r"^(?P<name>primary|secondary)(?: area)? \((?P<area>\d+)\):",
        "An image area, as the shell command `mcuboot` shows it.",
        "primary area (2):",
        "secondary area (5):",
        anchor="):",
    ),
    _MCUBOOT.line(
        "shell_area_field",
        r"^  (?P<field>version|image size|magic|swap type|copy done|image ok): (?P<value>\S+)",
        "A field of an image area.",
        "  version: 1.1.0+0",
        "  image size: 70136",
        "  magic: good",
        "  swap type: test",
        "  copy done: set",
        "  image ok: unset",
        anchor=("version: ", "size: ", "magic: ", "type: ", "done: ", "ok: "),
    ),
    _SHELL.line(
        "shell_welcome",
        r"Zephyr Shell, Zephyr version: (?P<version>\S+)|Type 'help' for a list of available",
        "The shell of early Zephyr releases starts.",
        "Zephyr Shell, Zephyr version: 1.11.99",
        anchor=("Zephyr Shell", "'help'"),
        until="Zephyr 1.11",
        source="a public log",
    ),
)
