"""Follows what a process prints while it runs."""

import subprocess


def read_until(process: "subprocess.Popen[str]", text: str) -> str:
    """What it printed up to the line with this text. Fails where it ends before."""
    printed = ""
    assert process.stdout is not None
    while text not in printed:
        line = process.stdout.readline()
        assert line, f"it never printed {text!r}:\n{printed}"
        printed += line
    return printed
