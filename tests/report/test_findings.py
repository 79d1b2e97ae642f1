"""What is said of rules and close codes."""

import pytest

from inspector.diagnose.rules import RULES
from inspector.protocol.registry import default
from inspector.report.findings import words_of


def test_every_rule_has_words_and_a_source() -> None:
    for rule in RULES:
        found = words_of(rule.id, default())
        assert found.title == rule.title
        assert found.remedy == rule.remedy
        assert found.sources


def test_a_close_is_explained_by_its_code_and_plane() -> None:
    assert words_of("voice-close-4006", default()).title == "4006 Session no longer valid"
    assert words_of("close-4009", default()).remedy


@pytest.mark.parametrize("name", ["close-", "close-4999", "close-²", "close-" + "9" * 50, "unheard-of", ""])
def test_an_unknown_rule_has_no_words(name: str) -> None:
    assert words_of(name, default()) == ("", "", "", ())
