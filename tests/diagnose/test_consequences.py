"""The table of what follows from what names only rules and closes that there are, and leads nowhere in a circle."""

from graphlib import TopologicalSorter

import pytest

from inspector.diagnose.consequences import CAUSES_OF, CONSEQUENCES, OUTSIDE
from inspector.diagnose.ids import close_of, rule_of
from inspector.protocol.registry import default


def test_every_name_is_that_of_a_rule_or_of_a_close() -> None:
    names = {*CONSEQUENCES, *CAUSES_OF, *OUTSIDE}
    assert [name for name in names if rule_of(name) is None and close_of(name, default()) is None] == []


@pytest.mark.parametrize(
    ("cause", "consequence"),
    [
        ("voice-handshake-stuck", "voice-close-4009"),
        ("zombie-closed", "close-4000"),
        ("login-unanswered", "login-slow"),
    ],
)
def test_what_was_once_told_as_two_cases_is_one(cause: str, consequence: str) -> None:
    assert consequence in CONSEQUENCES[cause]


def test_nothing_follows_from_itself() -> None:
    assert list(TopologicalSorter(CAUSES_OF).static_order())
