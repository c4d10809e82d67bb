"""Python, its packages, and whether pytest starts with all plugins that it loads."""

import shlex
from collections.abc import Iterator, Mapping
from types import MappingProxyType

from packaging.requirements import Requirement
from packaging.specifiers import SpecifierSet
from packaging.version import Version

from pytest_nrf_fota.boards.execution import EXTRA
from pytest_nrf_fota.deadline import Deadline
from pytest_nrf_fota.doctor.check import Check, Look, Outcome, ok
from pytest_nrf_fota.doctor.host import Host
from pytest_nrf_fota.extensions import ENTRY_POINTS, extension_names
from pytest_nrf_fota.probe.command import run_command
from pytest_nrf_fota.probe.fault import ProbeFaultError

_OURS = "pytest-nrf-fota"
_SHOWN = (
    *("pytest", "smpclient", "bleak", "bumble", "smp", "imgtool", "pyserial", "allure-pytest"),
    *("pytest-xdist", "pynrfjprog"),
)
# Measured with each of these packages installed beside this one.
_CLASHES: Mapping[str, str] = MappingProxyType(
    {
        "pyserial-labgrid": "it overwrites pyserial's files",
        "serial": "it is another package of pyserial's module name",
        "pytest-embedded": "a killed xdist worker hangs the run; with labgrid it skips tests",
        "labgrid": "its pytest plugin loads itself and has fixtures named env, target, strategy",
        "allure-pytest-bdd": "it defines allure-pytest's options a second time",
    }
)
_PYTEST_START_S = 60.0
_QUOTED_CHARS = 300


def _look_at_python(host: Host) -> Look:
    version = ".".join(map(str, host.python_version))
    distribution = host.distribution(_OURS)
    ranges = (distribution.metadata.get_all("Requires-Python") if distribution else None) or []
    wanted = " ".join(ranges)
    if not SpecifierSet(wanted).contains(Version(version)):
        return Look(
            Outcome.MISSING,
            f"Python {version} is not {wanted}",
            remedy="Make an environment with another Python.",
            command=f"python3.12 -m venv .venv && .venv/bin/pip install {_OURS}",
        )
    return ok(f"{version} ({host.python})")


def _look_at_packages(host: Host) -> Look:
    ours = host.distribution(_OURS)
    if ours is None:
        return Look(
            Outcome.MISSING,
            f"{_OURS} is not installed in this environment",
            remedy="pytest finds a plugin by its installation, not by PYTHONPATH.",
            command=f"{_pip(host)} install {_OURS}",
        )
    wrong = dict(_unmet(host, _OURS, frozenset()))
    if wrong:
        listed = "; ".join(f"{wanted} is wanted, {found}" for wanted, found in wrong.items())
        return Look(
            Outcome.MISSING,
            f"Python packages do not fit: {listed}",
            remedy="Install what is wanted.",
            command=f"{_pip(host)} install {shlex.join(wrong)}",
        )
    versions = [(name, host.distribution(name)) for name in _SHOWN]
    return ok(
        f"{_OURS} {ours.version}, "
        + ", ".join(f"{name} {one.version}" for name, one in versions if one is not None)
    )


def _unmet(host: Host, name: str, extras: frozenset[str]) -> Iterator[tuple[str, str]]:
    """What is wanted, and what is there instead; of dependencies only extras we ask for."""
    distribution = host.distribution(name)
    for line in (distribution.requires if distribution else None) or []:
        requirement = Requirement(line)
        marker = requirement.marker
        needed = marker is None or any(
            marker.evaluate({"extra": extra}) for extra in (extras or {""})
        )
        if not needed or (extras and "extra" not in str(marker)):
            continue
        installed = host.distribution(requirement.name)
        requirement.marker = None
        if installed is None:
            yield str(requirement), "none is installed"
        elif not requirement.specifier.contains(Version(installed.version), prereleases=True):
            yield str(requirement), f"{installed.version} is installed"
        elif requirement.extras:
            yield from _unmet(host, requirement.name, frozenset(requirement.extras))


def _look_at_clashes(host: Host) -> Look:
    there = [name for name in _CLASHES if host.distribution(name) is not None]
    if not there:
        return ok("none of those known to disturb")
    return Look(
        Outcome.WARNING,
        "; ".join(f"{name}: {_CLASHES[name]}" for name in there),
        remedy="Keep upgrade tests in an environment of their own, or take these out.",
        command=f"{_pip(host)} uninstall {' '.join(there)}"
        + (
            f" && {_pip(host)} install --force-reinstall pyserial"
            if _breaks_pyserial(there)
            else ""
        ),
    )


def _breaks_pyserial(names: list[str]) -> bool:
    return not {"pyserial-labgrid", "serial"}.isdisjoint(names)


def _look_at_extensions(host: Host) -> Look:
    # Of this process, in which they are at work or have ended it with an error.
    del host
    return ok(", ".join(extension_names()) or "none")


def _look_at_start(host: Host) -> Look:
    command = (str(host.python), "-m", "pytest", "--markers", "-p", "no:cacheprovider")
    try:
        result = run_command(command, Deadline.after(_PYTEST_START_S))
    except ProbeFaultError as error:
        return Look(
            Outcome.MISSING,
            f"pytest does not start: {error.what}",
            remedy="Run it by hand.",
            command=shlex.join(command[:4]),
        )
    if result.exit_code != 0:
        said = " ".join((result.stderr.strip() or result.stdout.strip()).split())
        return Look(
            Outcome.MISSING,
            f"pytest does not start (exit code {result.exit_code}): {said[-_QUOTED_CHARS:]}",
            remedy="A plugin or the pytest configuration of this folder is at fault.",
            command=shlex.join(command[:4]),
        )
    if "@pytest.mark.needs(" not in result.stdout:
        return Look(
            Outcome.MISSING,
            "pytest starts without this plugin",
            remedy="Is it switched off (-p no:nrf_fota, PYTEST_DISABLE_PLUGIN_AUTOLOAD), or "
            "installed for another Python?",
            command=f"{_pip(host)} install {_OURS}",
        )
    return ok("starts here, with all plugins that it loads")


def _pip(host: Host) -> str:
    return f"{shlex.quote(str(host.python))} -m pip"


def _look_at_unicorn(host: Host) -> Look:
    version = host.package_version("unicorn")
    if version is None:
        return Look(
            Outcome.MISSING,
            "unicorn is not installed",
            remedy="Install the extra that executes machine code.",
            command=f"{_pip(host)} install 'pytest-nrf-fota[{EXTRA}]'",
        )
    return ok(f"unicorn {version}")


PYTHON = Check(
    name="Python",
    looks_at="this Python and the versions that the package supports",
    prevents="everything",
    look=_look_at_python,
)
PACKAGES = Check(
    name="Python packages",
    looks_at="the packages that this one requires, and their versions",
    prevents="everything",
    look=_look_at_packages,
)
UNICORN = Check(
    name="unicorn",
    looks_at="the CPU emulator that executes bootloaders",
    prevents="boards whose bootloaders are executed",
    look=_look_at_unicorn,
)
PYTEST = Check(
    name="pytest",
    looks_at="`pytest --markers` in the present folder",
    prevents="everything",
    look=_look_at_start,
)
CLASHES = Check(
    name="other plugins",
    looks_at="installed packages that are known to disturb",
    prevents="a run that can be relied on",
    look=_look_at_clashes,
)
EXTENSIONS = Check(
    name="extensions",
    looks_at=f"entry points of the group {ENTRY_POINTS} in this environment",
    prevents="boards, tools and rules of other packages",
    look=_look_at_extensions,
)
