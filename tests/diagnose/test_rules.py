"""What holds of every rule."""

import re

import pytest

from inspector.diagnose.rule import Rule
from inspector.diagnose.rules import RULES
from inspector.protocol.registry import default

# No row tells them; see tests/analysis/test_stopped.py.
OF_WHOLE_RECORDINGS = {"event-stopped"}


@pytest.mark.parametrize("rule", RULES, ids=lambda rule: rule.id)
def test_a_rule_says_what_it_is_why_and_what_to_do(rule: Rule) -> None:
    assert re.fullmatch(r"[a-z0-9]+(-[a-z0-9]+)*", rule.id)
    assert rule.title
    assert rule.title[0].isupper()
    assert not rule.title.endswith(".")
    assert rule.remedy.endswith(".")
    assert rule.triggers or rule.id in OF_WHOLE_RECORDINGS
    assert set(rule.source) <= default().sources.keys()
    assert rule.source


def test_every_rule_has_an_id_of_its_own() -> None:
    assert len({rule.id for rule in RULES}) == len(RULES)


def test_every_rule_that_is_written_is_listed() -> None:
    """A rule that is not in the list is never asked."""
    from importlib import import_module
    from pkgutil import iter_modules

    import inspector.diagnose

    written = {
        value.id
        for module in iter_modules(inspector.diagnose.__path__)
        for value in vars(import_module(f"inspector.diagnose.{module.name}")).values()
        if isinstance(value, Rule)
    }
    assert written == {rule.id for rule in RULES}


def test_the_rules_are_tested_each_by_its_name() -> None:
    from pathlib import Path

    tests = "".join(path.read_text("utf-8") for path in Path(__file__).parent.glob("test_*.py"))
    assert [rule.id for rule in RULES if rule.id not in tests] == []
