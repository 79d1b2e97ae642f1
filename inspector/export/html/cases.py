"""The cases: what went wrong, why, and what to do, with the rows that prove it."""

from collections.abc import Iterator, Sequence

from inspector.analysis.cases import Case, Listed
from inspector.export.html.facts import Facts
from inspector.export.html.links import RowLinks, filtered
from inspector.export.html.markup import Child, Html, join, tag
from inspector.model import Severity, Verdict
from inspector.report.findings import named, remedy_of, words_of
from inspector.report.text import SEVERITIES, sentence_of
from inspector.words import counted

# Cases told in full, findings listed of each, and connections and consequences that a line names.
MOST_CASES, MOST_FINDINGS, _NAMED = 100, 50, 8
_ANSWERS = {True: "yes", False: "no", None: "not documented"}


def cases(facts: Facts, links: RowLinks) -> Html:
    """Return the section with all cases, what must be done first at the top."""
    diagnosis = facts.diagnosis
    checked = f"Checked {counted(len(diagnosis.rules), 'rule')} and every close."
    told: set[tuple[str, str]] = set()
    shown = [_case(facts, case, links, told) for case in diagnosis.cases[:MOST_CASES]]
    more = len(diagnosis.cases) - len(shown)
    return tag(
        "section",
        tag("h2", "Cases", tag("span", f"{len(diagnosis.cases):,}", class_="count") if shown else None),
        tag("p", checked if shown else f"No problems found. {checked}", class_="quiet"),
        *shown,
        tag("p", f"and {counted(more, 'more case')}: gwinspect diagnose lists them all", class_="quiet")
        if more
        else None,
        id="cases",
    )


def _case(facts: Facts, case: Case, links: RowLinks, told: set[tuple[str, str]]) -> Html:
    lead, end = case.lead, case.end
    verdict = facts.diagnosis.verdict_of(lead)
    words = words_of(case.name, facts.registry)
    remedy = remedy_of(case.name, verdict, facts.registry)
    again, told_now = (case.name, remedy) in told, (case.name, remedy)
    told.add(told_now)
    parts: list[Child] = [tag("p", verdict.cause if verdict else lead.finding.text, class_="said")]
    evidence = verdict.evidence if verdict else lead.finding.evidence
    if end is not None and end is not lead:
        verdict = facts.diagnosis.verdict_of(end)
        parts.append(tag("p", "It ended: ", verdict.cause if verdict else end.finding.text))
    if remedy:
        said = "The same as above." if again else remedy
        parts.append(tag("p", tag("strong", "What to do: "), said, class_="remedy"))
    parts.append(tag("dl", *_facts(facts, case, evidence, verdict, links), class_="facts small"))
    if len(case.findings) > 1:
        parts.append(_findings(case, links))
    severity = case.severity.name.lower()
    return tag(
        "article",
        tag(
            "h3",
            badge(case.severity),
            " ",
            tag("code", filtered("finding", case.name, named(case))),
            tag("span", words.title, class_="title") if words.title else None,
        ),
        *parts,
        class_=f"case {severity}",
    )


def badge(severity: Severity) -> Html:
    """Return a severity as a mark with its name: it can be told without colour."""
    return tag("span", SEVERITIES[severity], class_=f"badge {severity.name.lower()}")


def _facts(
    facts: Facts, case: Case, evidence: Sequence[int], verdict: Verdict | None, links: RowLinks
) -> Iterator[Html]:
    """Yield what else is known of a case, as terms and descriptions."""
    lead = case.lead
    seen = [links.listed([lead.finding.event]), f", connection {lead.connection}"]
    if case.count > 1:
        shards = f" on {case.shards:,} shards" if case.shards > 1 else ""
        seen = [f"{case.count:,} times{shards}, first at ", *seen]
    others = [str(number) for number in case.connections if number != lead.connection]
    if others:
        more = f" and {len(others) - _NAMED:,} more" if len(others) > _NAMED else ""
        seen.append(f"; also on connection{'s' * (len(others) > 1)} {', '.join(others[:_NAMED])}{more}")
    file = facts.diagnosis.file_of.get(lead.connection)
    yield _line("Seen", *seen, f" of {file}" if file else None)
    first, last = facts.scale.when(case.first_ns), facts.scale.when(case.last_ns)
    yield _line("When", first if first == last else f"{first} to {last}")
    if evidence:
        yield _line("Evidence", links.listed(evidence))
    followed = [rule for rule in case.counts if rule != case.name]
    if followed:
        listed = [_followed(case, rule, links) for rule in followed[:_NAMED]]
        more = f" and {len(followed) - _NAMED:,} more" if len(followed) > _NAMED else ""
        yield _line("With it", join(listed, ", "), more)
    if verdict is not None:
        yield _line("Reconnect", f"{_ANSWERS[verdict.reconnect]}; resume: {_ANSWERS[verdict.resume]}")
        then: list[Child] = [sentence_of(verdict).removeprefix("Then: ")]
        if verdict.then_event is not None:
            then += [" (", links.listed([verdict.then_event]), ")"]
        yield _line("Then", *then)


def _followed(case: Case, rule: str, links: RowLinks) -> Html:
    rows = [each.finding.event for each in case.findings if each.finding.rule == rule]
    more = f" and {len(rows) - 1:,} more" if len(rows) > 1 else ""
    return join([tag("code", filtered("finding", rule)), " (", links.listed(rows[:1]), more, ")"])


def _line(name: str, *what: Child) -> Html:
    return tag("div", tag("dt", name), tag("dd", *what))


def _findings(case: Case, links: RowLinks) -> Html:
    """Return all findings of a case, folded."""
    shown = case.findings[:MOST_FINDINGS]
    more = len(case.findings) - len(shown)
    return tag(
        "details",
        tag("summary", counted(len(case.findings), "finding")),
        tag("ol", *(_finding(each, links) for each in shown), class_="findings"),
        tag("p", f"and {more:,} more; filter the timeline by finding:{case.name}", class_="quiet") if more else None,
    )


def _finding(listed: Listed, links: RowLinks) -> Html:
    finding = listed.finding
    return tag(
        "li",
        badge(finding.severity),
        " ",
        links.to(finding.event, f"row {finding.event:,}"),
        " ",
        tag("code", finding.rule),
        f" {finding.text}",
        tag("span", " (", links.listed(finding.evidence), ")", class_="quiet") if finding.evidence else None,
    )
