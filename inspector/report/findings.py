"""What is said of a rule, whatever the case: next to a finding, and of the verdict on a close. And whose a case is."""

from collections.abc import Sequence
from typing import NamedTuple

from inspector.analysis.cases import Case
from inspector.diagnose.ids import close_of, rule_of
from inspector.inert import inert
from inspector.model import Verdict
from inspector.protocol.registry import Registry
from inspector.session.redact import HIDDEN
from inspector.words import counted


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


# Accounts that are named.
_ACCOUNTS = 3


def whose(case: Case) -> str:
    """Say which accounts have a case: ``token ••••9f3a``; empty where there is only one in the recording."""
    return accounts_said(case.accounts)


def named(case: Case) -> str:
    """Return the name of a case, with its accounts where there are others: no other case is called so."""
    account = whose(case)
    return f"{case.name} ({account})" if account else case.name


def accounts_said(accounts: Sequence[str]) -> str:
    """Name accounts as `Connection.account` has them: by the user, or by the mask that their token is shown as."""
    if len(accounts) > _ACCOUNTS:
        return counted(len(accounts), "account")
    return " and ".join(
        inert(each) if each.startswith("user ") else f"token {HIDDEN}{inert(each[:4])}" for each in accounts
    )


def _links(source: tuple[str, ...], registry: Registry) -> tuple[str, ...]:
    known = (registry.sources.get(name) for name in source)
    return tuple(each.url or each.title for each in known if each is not None)
