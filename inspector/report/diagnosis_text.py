"""A diagnosis as text, for people: what was found, the worst first, and what to do. Holds no secrets."""

from collections.abc import Callable, Iterator
from contextlib import closing
from datetime import tzinfo
from itertools import groupby
from pathlib import Path
from textwrap import wrap

from inspector.analysis.diagnosis import Case, Diagnosis
from inspector.inert import inert
from inspector.model import Severity
from inspector.report.colour import painted
from inspector.report.rows import notes_of
from inspector.report.text import SEVERITIES, SEVERITY_COLOURS, sentence_of
from inspector.store.reader import Reader
from inspector.words import clock, counted, day, duration

_BOLD, _DIM = "1", "2"
# Cases of one rule that are told one by one.
_TOLD = 3
# Rows that a line of evidence names.
_ROWS = 8
_INDENT = " " * 7


# What our own sentences are set with, for terminals that have only ASCII.
_ASCII = str.maketrans({"…": "...", "—": "-", "–": "-", "×": "x", "→": "->", "•": "*", "’": "'"})


def lines(
    diagnosis: Diagnosis,
    *,
    width: int = 100,
    colour: bool = False,
    ascii_only: bool = False,
    zone: tzinfo | None = None,
) -> Iterator[str]:
    """Yield the lines of `diagnosis`, at most `width` columns where words allow; times in `zone` or this machine's.

    `ascii_only` replaces the signs of our own sentences; a name from the wire stays what it is.
    """
    for line in _lines(diagnosis, width, colour, zone):
        yield line.translate(_ASCII) if ascii_only else line


def notes(diagnosis: Diagnosis, path: Path) -> list[str]:
    """Return sentences about the capture `path` that `diagnosis` was made of: what was left out, and why."""
    said = []
    if diagnosis.cut_at is not None:
        said.append(
            f"there are more findings; these are the first {diagnosis.cut_at:,} of each severity, `gwinspect show "
            "--where` finds them all"
        )
    with closing(Reader(path)) as reader:
        said += notes_of(reader)
    if diagnosis.undecoded_frames:
        said.append(
            f"{diagnosis.undecoded_frames:,} messages are stored but not decoded yet: `gwinspect reindex {path}`"
        )
    return said


def _lines(diagnosis: Diagnosis, width: int, colour: bool, zone: tzinfo | None) -> Iterator[str]:
    def paint(text: str, code: str) -> str:
        return painted(text, code if colour else "")

    yield paint(_head(diagnosis, zone), _BOLD)
    yield ""
    for (_, rule), group in groupby(_in_order(diagnosis), key=lambda case: (case.finding.severity, case.finding.rule)):
        cases = list(group)
        for case in cases[:_TOLD]:
            yield from _case(case, width, paint, zone)
        if len(cases) > _TOLD:
            rest = [case.finding.event for case in cases[_TOLD:]]
            yield from _wrapped(f"and {len(rest):,} more of {rule}: {_rows(rest)}", width)
            yield ""
    yield from wrap(_foot(diagnosis), width)


def _in_order(diagnosis: Diagnosis) -> list[Case]:
    """Return the cases with those of one rule together, where its first one stands."""
    first: dict[tuple[Severity, str], int] = {}
    for number, case in enumerate(diagnosis.cases):
        first.setdefault((case.finding.severity, case.finding.rule), number)
    return sorted(diagnosis.cases, key=lambda case: first[case.finding.severity, case.finding.rule])


def _head(diagnosis: Diagnosis, zone: tzinfo | None) -> str:
    parts = [
        ", ".join(map(inert, diagnosis.files)),
        f"{counted(diagnosis.connections, 'connection')}, {counted(diagnosis.sessions, 'session')}, "
        f"{counted(diagnosis.events, 'row')}",
    ]
    if diagnosis.began_ns:
        parts.append(f"{duration(diagnosis.ended_ns - diagnosis.began_ns)} from {day(diagnosis.began_ns, zone)}")
    return "   ".join(parts)


def _case(case: Case, width: int, paint: Callable[[str, str], str], zone: tzinfo | None) -> Iterator[str]:
    finding = case.finding
    name = SEVERITIES[finding.severity]
    where = f"connection {case.connection}, row {finding.event}" + (f" of {inert(case.file)}" if case.file else "")
    severity, rule = paint(f"{name:<5}", SEVERITY_COLOURS[finding.severity]), paint(finding.rule, _BOLD)
    yield f"{severity}  {rule}   {where}   {clock(case.at_ns, zone)}"
    verdict = case.verdict
    yield from _wrapped(verdict.cause if verdict else finding.text, width)
    evidence = verdict.evidence if verdict else finding.evidence
    if evidence:
        yield from (paint(line, _DIM) for line in _wrapped(f"Evidence: {_rows(evidence)}", width))
    if case.remedy:
        yield from _wrapped(f"Do: {case.remedy}", width)
    if verdict is not None:
        yield from _wrapped(f"Reconnect: {_ANSWERS[verdict.reconnect]}; resume: {_ANSWERS[verdict.resume]}", width)
        yield from _wrapped(sentence_of(verdict), width)
    yield ""


_ANSWERS = {True: "yes", False: "no", None: "not documented"}


def _rows(numbers: list[int] | tuple[int, ...]) -> str:
    said = ", ".join(str(number) for number in numbers[:_ROWS])
    more = len(numbers) - _ROWS
    return f"row{'s' * (len(numbers) > 1)} {said}" + (f" and {more:,} more" if more > 0 else "")


def _foot(diagnosis: Diagnosis) -> str:
    found = [
        counted(count, noun)
        for severity, noun in ((Severity.ERROR, "error"), (Severity.WARN, "warning"), (Severity.INFO, "note"))
        if (count := diagnosis.count(severity))
    ]
    checked = f"Checked {len(diagnosis.rules)} rules and every close."
    if not found:
        return f"nothing found. {checked}"
    if diagnosis.worst is Severity.INFO:
        return f"nothing found, {found[0]}. {checked}"
    rule = diagnosis.cases[0].finding.rule
    return f"{', '.join(found)}. {checked} More: gwinspect explain {rule}"


def _wrapped(text: str, width: int) -> Iterator[str]:
    return iter(
        wrap(
            text,
            max(width, 40),
            initial_indent=_INDENT,
            subsequent_indent=_INDENT,
            break_long_words=False,
            break_on_hyphens=False,
        )
    )
