"""What a test imports from the package itself: all of it is there, and nothing else is loaded."""

import ast
import subprocess
import sys
from pathlib import Path

import pytest

import pytest_nrf_fota

HEAVY = ("bleak", "bumble", "smpclient", "pydantic", "serial", "pexpect", "imgtool", "cryptography")
# What a test needs at run time beside its annotations.
LIGHT = (
    "assert_upgraded, Outcome, Variant, Verdict, Evidence, Says, Source, Faults, FirmwareSource, "
    "BoardError, FotaError, InputError, LineNotSeenError, NotSeenError, PackageError, RigError"
)


def test_every_name_comes_from_the_module_that_a_type_checker_reads() -> None:
    """The package names each twice: for type checkers, and for a lazy import."""
    tree = ast.parse(Path(pytest_nrf_fota.__file__).read_text(encoding="utf-8"))
    (checked,) = (node for node in tree.body if isinstance(node, ast.If))
    typed: dict[str, object] = {}
    exec(compile(ast.Module(checked.body, []), "typed", "exec"), typed)
    typed.pop("__builtins__")

    assert sorted(typed) == pytest_nrf_fota.__all__ == dir(pytest_nrf_fota)
    for name, value in typed.items():
        assert getattr(pytest_nrf_fota, name) is value


def test_other_names_are_refused_as_of_any_module() -> None:
    with pytest.raises(ImportError, match="cannot import name 'Deadline'"):
        exec("from pytest_nrf_fota import Deadline")


@pytest.mark.parametrize(
    "statement", ["import pytest_nrf_fota", f"from pytest_nrf_fota import {LIGHT}"]
)
def test_import_loads_nothing_heavy(statement: str) -> None:
    program = f"{statement}\nimport sys\nprint([name for name in {HEAVY} if name in sys.modules])"
    ran = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, check=True, timeout=60
    )
    assert ran.stdout == "[]\n"
