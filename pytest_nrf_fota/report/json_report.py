"""pytest-json-report: the facts of each test beside what it has itself."""

from collections.abc import Mapping

from pytest_nrf_fota.report.facts import facts_of


def add_facts(report: dict[str, object], session: Mapping[str, str]) -> None:
    """Add `nrf_fota` to each test that used a board, from the properties that it has.

    `session` is what holds for all of them.
    """
    report["nrf_fota"] = dict(session)
    tests = report.get("tests", [])
    assert isinstance(tests, list)
    for test in tests:
        properties = [pair for one in test.get("user_properties", ()) for pair in one.items()]
        facts = facts_of(properties)
        if facts is not None:
            test["nrf_fota"] = {
                "board": facts.board,
                "kit": facts.kit,
                "ncs": facts.ncs,
                "room": facts.room,
                "category": facts.category,
                "cause": facts.cause,
                "headline": facts.failure.headline if facts.failure is not None else "",
                "try": facts.number,
                "earlier_tries": list(facts.earlier),
            }
