"""A diagnosis for programs: JSON lines, and JUnit's XML for CI."""

from collections.abc import Iterator
from typing import Any
from xml.etree import ElementTree

from inspector.analysis.diagnosis import Case, Diagnosis
from inspector.diagnose.ids import rule_of
from inspector.inert import inert
from inspector.model import Severity
from inspector.report.jsonl import finding_record, verdict_record
from inspector.wire import jsontext
from inspector.words import iso


def jsonl(diagnosis: Diagnosis) -> Iterator[bytes]:
    """Yield one JSON object a finding, each a line with its newline. Keys are only ever added."""
    for case in diagnosis.cases:
        yield jsontext.line(record(case))


def record(case: Case) -> dict[str, Any]:
    """Return one finding as the object that is written."""
    finding = case.finding
    made: dict[str, Any] = finding_record(finding) | {
        "title": case.title,
        "row": finding.event,
        "at": iso(case.at_ns),
        "connection": case.connection,
        "plane": case.plane.value,
        "remedy": case.remedy,
    }
    if case.verdict is not None:
        made["verdict"] = verdict_record(case.verdict)
    if case.file is not None:
        made["file"] = case.file
    return made


def junit(diagnosis: Diagnosis, fail_on: Severity | None) -> bytes:
    """Return `diagnosis` as JUnit's XML: a test case for each rule that was asked, and each kind of close there was.

    Those with findings at or above `fail_on` have failed; None: none has.
    """
    by_rule: dict[str, list[Case]] = {rule.id: [] for rule in diagnosis.rules}
    for case in diagnosis.cases:
        by_rule.setdefault(case.finding.rule, []).append(case)
    failed = sum(_fails(cases, fail_on) for cases in by_rule.values())
    counts = {"tests": str(len(by_rule)), "failures": str(failed), "errors": "0", "skipped": "0"}
    suites = ElementTree.Element("testsuites", {"name": "gwinspect", **counts})
    suite = ElementTree.SubElement(suites, "testsuite", {"name": _clean(", ".join(diagnosis.files)), **counts})
    for rule, cases in by_rule.items():
        test = ElementTree.SubElement(suite, "testcase", {"classname": _family(rule), "name": _clean(rule)})
        if not cases:
            continue
        said = _clean("\n\n".join(map(_said, cases)))
        if _fails(cases, fail_on):
            worst = max(case.finding.severity for case in cases).name.lower()
            # What CI shows before anyone unfolds it.
            first = cases[0].verdict.cause if cases[0].verdict else cases[0].finding.text
            message = first + (f" (and {len(cases) - 1:,} more)" if len(cases) > 1 else "")
            failure = ElementTree.SubElement(test, "failure", {"message": _clean(message), "type": worst})
            failure.text = said
        else:
            ElementTree.SubElement(test, "system-out").text = said
    ElementTree.indent(suites)
    return bytes(ElementTree.tostring(suites, encoding="utf-8", xml_declaration=True)) + b"\n"


def _family(name: str) -> str:
    """Return the group that a rule is listed under: the file of `inspector.diagnose` that it stands in."""
    rule = rule_of(name)
    return f"gwinspect.{rule.check.__module__.rpartition('.')[2] if rule else 'closes'}"


def _fails(cases: list[Case], fail_on: Severity | None) -> bool:
    return fail_on is not None and any(case.finding.severity >= fail_on for case in cases)


def _said(case: Case) -> str:
    finding, verdict = case.finding, case.verdict
    where = f"connection {case.connection}, row {finding.event}" + (f" of {case.file}" if case.file else "")
    said = [f"{finding.severity.name}  {where}: {verdict.cause if verdict else finding.text}"]
    if finding.evidence:
        said.append(f"evidence: rows {', '.join(map(str, finding.evidence))}")
    if case.remedy:
        said.append(f"do: {case.remedy}")
    if verdict is not None and verdict.then:
        said.append(f"then: {verdict.then}")
    return "\n".join(said)


def _clean(text: str) -> str:
    """Return lines for a log that is read on a terminal. What XML 1.0 cannot hold is among what is made inert."""
    return "\n".join(map(inert, text.split("\n")))
