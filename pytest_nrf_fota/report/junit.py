"""JUnit XML that GitLab and Jenkins group well, as far as pytest leaves it to others."""

import re
import xml.etree.ElementTree as ET
from collections.abc import Mapping

import pytest
from _pytest.junitxml import LogXML, mangle_test_address, xml_key

from pytest_nrf_fota.report.facts import TestFacts

# Where tests of an installed package are, seen from wherever pytest was started.
_INSTALLED = re.compile(r"^.*(?:site-packages|dist-packages)\.|^.*(?=pytest_nrf_fota\.scenarios\.)")


def junit_of(config: pytest.Config) -> LogXML | None:
    """What writes JUnit XML; None where nothing does."""
    return config.stash.get(xml_key, None)


def tell_session(junit: LogXML, values: Mapping[str, str]) -> None:
    """Properties of the suite."""
    for name, value in values.items():
        junit.add_global_property(name, value)


def tell_execution(
    junit: LogXML,
    report: pytest.TestReport,
    facts: TestFacts,
    *,
    is_run_again: bool,
    is_handed_on: bool,
) -> None:
    """Name a test case, and tell a first try from a test that passed.

    Jenkins makes a package of what is before a class name's last dot, and groups by it: that is the
    board and the folder. pytest-rerunfailures' outcome for a try that is run again is unknown to
    pytest, which would write a test case without any result: one that passed.

    GitLab takes the first of several test cases of a name and leaves the others out, so a try that
    others follow says which it is. What it shows of a result is the element's text.

    Args:
        is_run_again: by pytest-rerunfailures.
        is_handed_on: to another kit, because this try's was lost.
    """
    case = junit.node_reporter(report)
    case.add_attribute("classname", class_name(report.nodeid, facts.board))
    if is_run_again or is_handed_on:
        name = mangle_test_address(report.nodeid)[-1]
        case.add_attribute("name", f"{name} (try {facts.number})")
    if facts.failure is not None and is_run_again:
        failure = facts.failure
        message = f"try {facts.number} failed and was run again: [{failure.cause}]"
        text = f"{message} {failure.headline}"
        skipped = ET.Element("skipped", type="rerun", message=text)
        skipped.text = text
        case.append(skipped)
        junit.add_stats("skipped")


def class_name(node_id: str, board: str) -> str:
    """`nrf5340dk.tests.hil.test_app_upgrade`: the board, and where the test is."""
    parts = mangle_test_address(node_id)[:-1]
    path = _INSTALLED.sub("", ".".join(parts)).strip(".")
    return f"{board}.{path}"
