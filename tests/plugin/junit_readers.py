"""JUnit XML as GitLab and Jenkins read it, by what they document.

GitLab: docs.gitlab.com, *Unit test reports* ("JUnit XML format specification", "File
requirements", as of GitLab 18.11). Jenkins' junit plugin documents its settings alone; how it reads
a file is in SuiteResult.java and CaseResult.java (jenkinsci/junit-plugin).
"""

import xml.etree.ElementTree as ET
from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True)
class GitlabCase:
    """A line of the tab *Tests*: `suite` is what it is grouped by."""

    suite: str
    name: str
    status: str
    output: str
    file: str | None


@dataclass(frozen=True)
class JenkinsCase:
    """A line of the test result: in a class, which is in a package."""

    package: str
    class_name: str
    name: str
    status: str
    message: str


def gitlab_cases(path: Path) -> list[GitlabCase]:
    """A suite's name is not shown, a test's class is. Of tests of one name the first counts.

    What is said of a result is an element's content, not its attributes.
    """
    found: dict[tuple[str, str], GitlabCase] = {}
    for case in _cases(path):
        result = _first(case, "failure", "error", "skipped")
        suite, name = case.get("classname", ""), case.get("name", "")
        one = GitlabCase(
            suite,
            name,
            "success" if result is None else result.tag,
            "" if result is None else (result.text or "").strip(),
            case.get("file"),
        )
        found.setdefault((suite, name), one)
    return list(found.values())


def jenkins_cases(path: Path) -> list[JenkinsCase]:
    """What is before the last dot of a class is its package; without a dot that is `(root)`.

    A later test with the same names takes the place of an earlier one.
    """
    found: dict[tuple[str, str], JenkinsCase] = {}
    for case in _cases(path):
        result = _first(case, "error", "failure", "skipped")
        package, _, class_name = case.get("classname", "").rpartition(".")
        found[case.get("classname", ""), case.get("name", "")] = JenkinsCase(
            package or "(root)",
            class_name,
            case.get("name", ""),
            "passed" if result is None else result.tag,
            "" if result is None else result.get("message", result.text or ""),
        )
    return list(found.values())


def _cases(path: Path) -> list[ET.Element]:
    return [
        case for suite in ET.parse(path).iter("testsuite") for case in suite.findall("testcase")
    ]


def _first(case: ET.Element, *tags: str) -> ET.Element | None:
    return next((one for tag in tags if (one := case.find(tag)) is not None), None)
