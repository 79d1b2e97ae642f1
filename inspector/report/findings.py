"""What is said of a rule, whatever the case: next to a finding, and of the verdict on a close."""

from typing import NamedTuple

from inspector.diagnose.ids import close_of, rule_of
from inspector.model import Verdict
from inspector.protocol.registry import Registry


class RuleWords(NamedTuple):
    """What is said of a rule, whatever the case."""

    title: str
    why: str
    """Why it matters; may be empty."""
    remedy: str
    sources: tuple[str, ...]
    """Where to read on: links, or titles of what has none."""


def words_of(name: str, registry: Registry) -> RuleWords:
    """Return what is said of a rule, or of ``close-4009`` and its like; no words where there is no such thing."""
    rule = rule_of(name)
    if rule is not None:
        return RuleWords(rule.title, rule.why, rule.remedy, _links(rule.source, registry))
    close = close_of(name, registry)
    if close is not None:
        return RuleWords(f"{close.number} {close.name}", close.meaning, close.remedy, _links(close.source, registry))
    return RuleWords("", "", "", ())


def remedy_of(name: str, verdict: Verdict | None, registry: Registry) -> str:
    """Return what to do about what a rule notices, or about a close; empty where there is nothing to do.

    A verdict knows better than the table: where it advises nothing, what the code usually asks for does not fit.
    """
    return words_of(name, registry).remedy if verdict is None else verdict.advice


def _links(source: tuple[str, ...], registry: Registry) -> tuple[str, ...]:
    known = (registry.sources.get(name) for name in source)
    return tuple(each.url or each.title for each in known if each is not None)
