"""What is said of rules and close codes."""

import pytest

from inspector.diagnose.rules import RULES
from inspector.protocol.registry import default
from inspector.report.findings import accounts_said, words_of


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


@pytest.mark.parametrize(
    ("accounts", "said"),
    [
        ((), ""),
        (("9f3ab2c1",), "token ••••9f3a"),
        (("9f3ab2c1", "user 118"), "token ••••9f3a and user 118"),
        (("1", "2", "3", "4"), "4 accounts"),
        (("\x1b[2J", "user \x1b[2J"), r"token ••••\x1b[2J and user \x1b[2J"),
    ],
)
def test_accounts_are_named_by_a_mask_or_by_the_user(accounts: tuple[str, ...], said: str) -> None:
    assert accounts_said(accounts) == said
