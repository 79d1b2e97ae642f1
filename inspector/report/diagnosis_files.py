"""A diagnosis for programs: JSON lines, and what CI systems read. Everything in it is inert."""

from collections.abc import Iterator, Sequence
from dataclasses import replace
from typing import Any
from xml.etree import ElementTree

from inspector.analysis.cases import Case, Listed
from inspector.analysis.diagnosis import Diagnosis
from inspector.diagnose.ids import rule_of
from inspector.inert import inert
from inspector.model import Severity
from inspector.protocol.registry import default
from inspector.report.diagnosis_text import found_in
from inspector.report.findings import accounts_said, named, remedy_of, whose, words_of
from inspector.report.jsonl import finding_record, verdict_record
from inspector.wire import jsontext
from inspector.words import iso, listed


def jsonl(diagnosis: Diagnosis) -> Iterator[bytes]:
    """Yield one JSON object a finding, each a line with its newline, those of a case together. Keys are only added."""
    for case in diagnosis.cases:
        for each in sorted(case.findings, key=lambda found: found is not case.lead):
            yield jsontext.line(record(diagnosis, case, each))


def record(diagnosis: Diagnosis, case: Case, found: Listed) -> dict[str, Any]:
    """Return one finding as the object that is written."""
    finding, verdict = found.finding, diagnosis.verdict_of(found)
    words = words_of(finding.rule, default())
    made: dict[str, Any] = finding_record(finding)
    if verdict is not None:
        # It may have learned more since the connection closed.
        made |= {"text": verdict.cause, "evidence": list(verdict.evidence)}
    made |= {
        "title": words.title or "A connection ended",
        "row": finding.event,
        "at": iso(found.at_ns),
        "connection": found.connection,
        "plane": found.plane.value,
        "remedy": remedy_of(finding.rule, verdict, default()),
        "case": case.name,
    }
    if case.accounts:
        made["accounts"] = [accounts_said([account]) for account in case.accounts]
    if verdict is not None:
        made["verdict"] = verdict_record(verdict)
    file = diagnosis.file_of.get(found.connection)
    if file is not None:
        made["file"] = file
    return made


def junit(found: Sequence[Diagnosis], fail_on: Severity | None, refused: Sequence[tuple[str, str]] = ()) -> bytes:
    """Return JUnit's XML: a suite for each file, with a test case for each rule and each case that is a close.

    Cases at or above `fail_on` have failed; None: none has. `refused`: files that could not be read, and why.
    """
    suites = ElementTree.Element("testsuites", {"name": "gwinspect"})
    for diagnosis in found:
        for part in _by_file(diagnosis):
            _suite(suites, part, fail_on)
    for name, why in refused:
        counts = {"tests": "1", "failures": "0", "errors": "1", "skipped": "0"}
        suite = ElementTree.SubElement(suites, "testsuite", {"name": _clean(name), **counts})
        test = ElementTree.SubElement(suite, "testcase", {"classname": "gwinspect", "name": "reading"})
        ElementTree.SubElement(test, "error", {"message": _clean(why), "type": "unreadable"})
    for key in ("tests", "failures", "errors", "skipped"):
        suites.set(key, str(sum(int(suite.get(key, "0")) for suite in suites)))
    ElementTree.indent(suites)
    return bytes(ElementTree.tostring(suites, encoding="utf-8", xml_declaration=True)) + b"\n"


def _by_file(diagnosis: Diagnosis) -> list[Diagnosis]:
    """Return `diagnosis` in parts: each has the cases that are named in one file."""
    if len(diagnosis.files) < 2:
        return [diagnosis]
    parts = {name: replace(diagnosis, files=(name,), cases=()) for name in diagnosis.files}
    for case in diagnosis.cases:
        name = diagnosis.file_of.get(case.lead.connection, diagnosis.files[0])
        part = parts.setdefault(name, replace(diagnosis, files=(name,), cases=()))
        part.cases = (*part.cases, case)
    return list(parts.values())


def _suite(suites: ElementTree.Element, diagnosis: Diagnosis, fail_on: Severity | None) -> None:
    found = {case.name for case in diagnosis.cases}
    by_name: dict[str, Case | None] = {rule.id: None for rule in diagnosis.rules if rule.id not in found}
    part_of: dict[str, str] = {}
    for each in diagnosis.cases:
        by_name[named(each)] = each
        part_of |= {rule: named(each) for rule in each.counts if rule != each.name}
    failed = sum(_fails(case, fail_on) for case in by_name.values())
    counts = {"tests": str(len(by_name)), "failures": str(failed), "errors": "0", "skipped": "0"}
    suite = ElementTree.SubElement(suites, "testsuite", {"name": _clean(", ".join(diagnosis.files)), **counts})
    for name, case in by_name.items():
        family = _family(name if case is None else case.name)
        test = ElementTree.SubElement(suite, "testcase", {"classname": family, "name": _clean(name)})
        if case is None:
            if name in part_of:
                ElementTree.SubElement(test, "system-out").text = f"reported with {part_of[name]}"
            continue
        said = _clean("\n\n".join(_said(diagnosis, each) for each in case.findings))
        if _fails(case, fail_on):
            # What CI shows before anyone unfolds it.
            message = _message(diagnosis, case)
            kind = case.severity.name.lower()
            failure = ElementTree.SubElement(test, "failure", {"message": _clean(message), "type": kind})
            failure.text = said
        else:
            ElementTree.SubElement(test, "system-out").text = said


def github(diagnosis: Diagnosis) -> Iterator[str]:
    """Yield GitHub's workflow commands: an annotation for each case, with the severities that GitHub has."""
    levels = {Severity.ERROR: "error", Severity.WARN: "warning", Severity.INFO: "notice"}
    for case in diagnosis.cases:
        file = diagnosis.file_of.get(case.lead.connection, diagnosis.files[0])
        remedy = _remedy(diagnosis, case)
        text = _message(diagnosis, case) + (f"\nDo: {remedy}" if remedy else "")
        properties = f"file={_property(file)},title={_property(named(case))}"
        yield f"::{levels[case.severity]} {properties}::{_data(_clean(text))}"


def markdown(diagnosis: Diagnosis) -> Iterator[str]:
    """Yield a short summary in Markdown, as a job of CI shows it."""
    names = ", ".join(f"`{_cell(name)}`" for name in diagnosis.files)
    yield f"### gwinspect: {found_in(diagnosis) or 'no problems found'} in {names}"
    if diagnosis.cases:
        yield ""
        yield "| severity | case | row | what | do |"
        yield "|---|---|---|---|---|"
    for case in diagnosis.cases:
        times = f" ×{case.count:,}" if case.count > 1 else ""
        named = f"`{case.name}`{times}" + (f" ({_cell(account)})" if (account := whose(case)) else "")
        cells = (case.severity.name.lower(), named, f"{case.lead.finding.event}")
        said = (_cell(_message(diagnosis, case)), _cell(_remedy(diagnosis, case)))
        yield f"| {' | '.join((*cells, *said))} |"


def _message(diagnosis: Diagnosis, case: Case) -> str:
    verdict = diagnosis.verdict_of(case.lead)
    said = verdict.cause if verdict else case.lead.finding.text
    again = [f"{case.count - 1:,} more of it"] if case.count > 1 else []
    beside = again + [
        f"{rule}{f' ×{count:,}' if count > 1 else ''}" for rule, count in case.counts.items() if rule != case.name
    ]
    return f"{said} (with {listed(beside)})" if beside else said


def _remedy(diagnosis: Diagnosis, case: Case) -> str:
    verdict = diagnosis.verdict_of(case.lead)
    return remedy_of(case.name, verdict, default())


def _family(name: str) -> str:
    """Return the group that a rule is listed under: the file of `inspector.diagnose` that it is in."""
    rule = rule_of(name)
    return f"gwinspect.{rule.check.__module__.rpartition('.')[2] if rule else 'closes'}"


def _fails(case: Case | None, fail_on: Severity | None) -> bool:
    return case is not None and fail_on is not None and case.severity >= fail_on


def _said(diagnosis: Diagnosis, found: Listed) -> str:
    finding, verdict = found.finding, diagnosis.verdict_of(found)
    file = diagnosis.file_of.get(found.connection)
    where = f"connection {found.connection}, row {finding.event}" + (f" of {file}" if file else "")
    said = [f"{finding.severity.name}  {finding.rule}  {where}: {verdict.cause if verdict else finding.text}"]
    evidence = verdict.evidence if verdict else finding.evidence
    if evidence:
        said.append(f"evidence: rows {', '.join(map(str, evidence))}")
    remedy = remedy_of(finding.rule, verdict, default())
    if remedy:
        said.append(f"do: {remedy}")
    if verdict is not None and verdict.then:
        said.append(f"then: {verdict.then}")
    return "\n".join(said)


def _clean(text: str) -> str:
    """Return lines for a log that is read on a terminal. What XML 1.0 cannot hold is among what is made inert."""
    return "\n".join(map(inert, text.split("\n")))


def _data(text: str) -> str:
    return text.replace("%", "%25").replace("\r", "%0D").replace("\n", "%0A")


def _property(text: str) -> str:
    return _data(inert(text)).replace(":", "%3A").replace(",", "%2C")


def _cell(text: str) -> str:
    """Return text for a cell of a table, in which nothing of Markdown or HTML means anything."""
    plain = " ".join(inert(text).split())
    return "".join(
        f"\\{sign}" if sign in "\\|`*_[]#" else {"<": "&lt;", ">": "&gt;", "&": "&amp;"}.get(sign, sign)
        for sign in plain
    )
