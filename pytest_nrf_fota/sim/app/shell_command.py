"""Zephyr's shell: finds the command that a line means, checks its arguments, prints help.

Source: Zephyr's shell.c (`execute`, `exec_cmd`) and shell_help.c; compared with Zephyr 4.4 on
native_sim, whose output the tests quote. That 2.3 prints the same help is inferred.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol

HELP_PRINTED = 1
ENOEXEC = -8
EINVAL = -22
MOST_ARGUMENTS = 20
_HELP_OPTIONS = ("-h", "--help")


class ShellOutput(Protocol):
    """Where a command prints, and what may take the input over."""

    def print(self, text: str) -> None:
        """Print a line."""

    def error(self, text: str) -> None:
        """Print a line that reports an error."""

    def warn(self, text: str) -> None:
        """Print a line that warns."""

    def bypass(self, receiver: Callable[[bytes], bool]) -> None:
        """Hand everything that arrives to `receiver`, until it returns False."""


@dataclass(frozen=True)
class Command:
    """One command or subcommand.

    Args:
        name: the word that calls it.
        help: its help text, None where it has none.
        handler: called with the words behind the name; None for a mere parent of others.
        mandatory: how many words it needs, its name included; 0 for any number.
        optional: how many more it may have.
        subcommands: what may follow.
    """

    name: str
    help: str | None
    handler: Callable[[list[str]], int] | None = None
    mandatory: int = 0
    optional: int = 0
    subcommands: tuple["Command", ...] = ()


def execute_line(commands: tuple[Command, ...], words: list[str], output: ShellOutput) -> int:
    """Run the command that the words mean; its output is printed before this returns.

    Returns what its handler returns, 0 or a negative errno, or 1 where help was printed.
    """
    if len(words) > MOST_ARGUMENTS:
        output.error("Too many arguments in the command.\r\n")
        return ENOEXEC
    candidates = commands
    reached: Command | None = None
    active: Command | None = None
    arguments: list[str] = []
    for index, word in enumerate(words):
        if reached is not None and word in _HELP_OPTIONS:
            return _help_for(reached, output)
        found = next((command for command in candidates if command.name == word), None)
        if found is None:
            if index > 0:
                break
            output.error(f"{word}: command not found")
            return ENOEXEC
        reached = found
        if found.handler is not None:
            active, arguments = found, words[index + 1 :]
        candidates = found.subcommands
    if reached is None:
        return 0
    if active is None or active.handler is None:
        return _help_for(reached, output)
    if active.mandatory and not 0 <= 1 + len(arguments) - active.mandatory <= active.optional:
        output.error(f"{active.name}: wrong parameter count")
        print_help(active, output)
        return EINVAL
    return active.handler(arguments)


def print_help(command: Command, output: ShellOutput) -> None:
    """What `-h` prints, and a wrong number of arguments."""
    output.print(f"{command.name} - {command.help or ''}")
    if command.subcommands:
        output.print("Subcommands:")
        print_list(command.subcommands, output)


def print_list(commands: tuple[Command, ...], output: ShellOutput) -> None:
    """Names with their help texts."""
    width = max(len(command.name) for command in commands)
    for command in commands:
        name = f"  {command.name.ljust(width)}"
        output.print(name if command.help is None else f"{name}  : {command.help}")


def _help_for(reached: Command, output: ShellOutput) -> int:
    if reached.help is None:
        output.error("Please specify a subcommand.")
        return ENOEXEC
    print_help(reached, output)
    return HELP_PRINTED
