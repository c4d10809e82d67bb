"""Which Python runs labgrid."""

import sys
from pathlib import Path

import pytest

from pytest_nrf_fota.errors import InputError
from pytest_nrf_fota.farm.labgrid.farm_python import PYTHON_VARIABLE, farm_python

PYTHON = Path(sys.executable)
# As pip writes a script whose Python has a long path, or one with blanks (distlib, scripts.py).
THROUGH_A_SHELL = "#!/bin/sh\n'''exec' \"{python}\" \"$0\" \"$@\"\n' '''\n"


@pytest.mark.parametrize("first_lines", ["#!{python}\n", THROUGH_A_SHELL])
def test_the_one_of_labgrid_client(tmp_path: Path, first_lines: str) -> None:
    """As pipx installs it."""
    client = tmp_path / "labgrid-client"
    client.write_text(first_lines.format(python=PYTHON) + "import sys\n")
    client.chmod(0o755)
    assert farm_python(None, {"PATH": str(tmp_path)}, has_labgrid=False) == PYTHON
    client.write_text("#!/no/python\n")
    with pytest.raises(InputError, match="labgrid is not installed"):
        farm_python(None, {"PATH": str(tmp_path)}, has_labgrid=False)


def test_a_named_one_comes_first() -> None:
    """Of option, variable, this one."""
    environment = {PYTHON_VARIABLE: "/bin/sh", "PATH": ""}
    assert farm_python(PYTHON, environment, has_labgrid=True) == PYTHON
    assert farm_python(None, environment, has_labgrid=True) == Path("/bin/sh")
    assert farm_python(None, {"PATH": ""}, has_labgrid=True) == PYTHON
    with pytest.raises(InputError, match="no such Python"):
        farm_python(Path("/no/python"), environment)


def test_a_folder_that_pip_left_behind_is_not_labgrid(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "labgrid" / "driver").mkdir(parents=True)
    monkeypatch.syspath_prepend(tmp_path)
    with pytest.raises(InputError, match="labgrid is not installed"):
        farm_python(None, {"PATH": ""})
