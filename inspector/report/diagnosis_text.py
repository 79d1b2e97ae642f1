"""A diagnosis as text, for people: case by case, what must be done first at the top. Holds no secrets.

It fits a screen: the first cases are told in full, the others in a line each. All of them can be had in full.
"""

from collections.abc import Iterator, Sequence
from contextlib import closing
from datetime import tzinfo
from pathlib import Path
from textwrap import wrap

from inspector.analysis.cases import Case, Listed
from inspector.analysis.diagnosis import Diagnosis
from inspector.inert import inert
from inspector.model import Severity
from inspector.protocol.registry import default
from inspector.report.colour import painted
from inspector.report.findings import remedy_of, whose
from inspector.report.rows import notes_of
from inspector.report.text import SEVERITIES, SEVERITY_COLOURS, sentence_of
from inspector.store.reader import Reader
from inspector.words import clock, counted, day, duration

_BOLD, _DIM = "1", "2"
# Lines of the cases that are told in full (of one at least), and cases that have a line each: together a screen.
_WHOLE, _SHORT = 30, 12
# Rows, connections and consequences that a line names.
_ROWS, _CONNECTIONS, _CONSEQUENCES = 8, 4, 4
_INDENT = " " * 7


# What our own sentences are set with, for terminals that have only ASCII.
_ASCII = str.maketrans({"…": "...", "—": "-", "–": "-", "×": "x", "→": "->", "•": "*", "’": "'"})


def lines(
    diagnosis: Diagnosis,
    *,
    width: int = 100,
    colour: bool = False,
    ascii_only: bool = False,
    everything: bool = False,
    zone: tzinfo | None = None,
) -> Iterator[str]:
    """Yield the lines of `diagnosis`, at most `width` columns where words allow; times in `zone` or this machine's.

    `everything`: every case in full, and every finding of it. `ascii_only` replaces the signs of our own sentences; a
    name from the wire stays what it is.
    """
    for line in _Page(diagnosis, width, colour, zone).lines(everything=everything):
        yield line.translate(_ASCII) if ascii_only else line


def notes(diagnosis: Diagnosis, path: Path) -> list[str]:
    """Return sentences about the capture `path` that `diagnosis` was made of: what was left out, and why."""
    said = []
    if diagnosis.cut_at is not None:
        said.append(
            f"there are more findings; these are the worst {diagnosis.cut_at:,}. `gwinspect show --where` finds them "
            "all"
        )
    with closing(Reader(path)) as reader:
        said += notes_of(reader)
    if diagnosis.undecoded_frames:
        said.append(
            f"{diagnosis.undecoded_frames:,} messages are stored but not decoded yet: `gwinspect reindex {path}`"
        )
    return said


class _Page:
    """Writes down one diagnosis."""

    def __init__(self, diagnosis: Diagnosis, width: int, colour: bool, zone: tzinfo | None) -> None:
        self._diagnosis = diagnosis
        self._width = width
        self._colour = colour
        self._zone = zone
        self._remedies: set[tuple[str, str]] = set()
        """Rules with the remedies that were told."""

    def lines(self, *, everything: bool) -> Iterator[str]:
        yield self._paint(self._head(), _BOLD)
        yield ""
        cases = self._diagnosis.cases
        told, lines = 0, 0
        for case in cases:
            whole = [*self._case(case, everything=everything), ""]
            lines += len(whole)
            if not everything and (case.severity is Severity.INFO or (told and lines > _WHOLE)):
                break
            told += 1
            yield from whole
        short = cases[told:]
        for case in short[:_SHORT]:
            yield self._short(case)
        if len(short) > _SHORT:
            rest = counted(len(short) - _SHORT, "more case")
            yield f"       and {rest}; --all shows them in full"
        if short:
            yield ""
        yield from wrap(self._foot(), self._width, break_on_hyphens=False)

    def _paint(self, text: str, code: str) -> str:
        return painted(text, code if self._colour else "")

    def _head(self) -> str:
        diagnosis = self._diagnosis
        parts = [
            ", ".join(map(inert, diagnosis.files)),
            f"{counted(diagnosis.connections, 'connection')}, {counted(diagnosis.sessions, 'session')}, "
            f"{counted(diagnosis.events, 'row')}",
        ]
        if diagnosis.began_ns:
            span = duration(diagnosis.ended_ns - diagnosis.began_ns)
            parts.append(f"{span} from {day(diagnosis.began_ns, self._zone)}")
        return "   ".join(parts)

    def _severity(self, case: Case) -> str:
        return self._paint(f"{SEVERITIES[case.severity]:<5}", SEVERITY_COLOURS[case.severity])

    def _case(self, case: Case, *, everything: bool) -> Iterator[str]:
        lead, end = case.lead, case.end
        verdict = self._diagnosis.verdict_of(lead)
        head = (f"{self._severity(case)}  {self._paint(case.name, _BOLD)}", self._where(case), self._when(case))
        yield "   ".join(head)
        yield from self._wrapped(verdict.cause if verdict else lead.finding.text)
        evidence = verdict.evidence if verdict else lead.finding.evidence
        if evidence:
            yield from (self._paint(line, _DIM) for line in self._wrapped(f"Evidence: {_rows(evidence)}"))
        remedy = remedy_of(case.name, verdict, default())
        followed = [f"{rule} ({self._rows_of(case, rule)})" for rule in case.counts if rule != case.name]
        if followed:
            more = len(followed) - _CONSEQUENCES
            said = ", ".join(followed[:_CONSEQUENCES]) + (f" and {more} more" if more > 0 else "")
            yield from self._wrapped(f"With it: {said}")
        if end is not None and end is not lead:
            verdict = self._diagnosis.verdict_of(end)
            yield from self._wrapped(verdict.cause if verdict else end.finding.text)
        if remedy:
            # Of several accounts with the same trouble the first is told what to do.
            again = (case.name, remedy) in self._remedies
            self._remedies.add((case.name, remedy))
            yield from self._wrapped("Do: the same as above" if again else f"Do: {remedy}")
        if verdict is not None:
            yield from self._wrapped(f"Reconnect: {_ANSWERS[verdict.reconnect]}; resume: {_ANSWERS[verdict.resume]}")
            yield from self._wrapped(sentence_of(verdict))
        if everything and len(case.findings) > 1:
            for each in case.findings:
                text = f"{self._place(each)}  {each.finding.rule}: {each.finding.text}"
                yield from (self._paint(line, _DIM) for line in self._wrapped(text))

    def _short(self, case: Case) -> str:
        line = f"{SEVERITIES[case.severity]:<5}  {case.name}   {self._where(case)}   {case.lead.finding.text}"
        cut = line if len(line) <= self._width else line[: self._width - 1] + "…"
        return self._severity(case) + cut[5:]

    def _where(self, case: Case) -> str:
        account = whose(case)
        return f"{account}, {self._at(case)}" if account else self._at(case)

    def _at(self, case: Case) -> str:
        if len(case.findings) == 1:
            return self._place(case.lead)
        connections = [f"{number}" for number in case.connections]
        more = len(connections) - _CONNECTIONS
        named = ", ".join(connections[:_CONNECTIONS]) + (f" and {more:,} more" if more > 0 else "")
        shards = f" on {case.shards:,} shards" if case.shards > 1 else ""
        times = f"{case.count:,} times{shards}, first at " if case.count > 1 else ""
        row = f"{times}row {case.lead.finding.event}{self._of(case.lead)}"
        return f"connection{'s' * (len(connections) > 1)} {named}, {row}"

    def _place(self, listed: Listed) -> str:
        return f"connection {listed.connection}, row {listed.finding.event}{self._of(listed)}"

    def _of(self, listed: Listed) -> str:
        name = self._diagnosis.file_of.get(listed.connection)
        return f" of {inert(name)}" if name else ""

    def _when(self, case: Case) -> str:
        first, last = clock(case.first_ns, self._zone), clock(case.last_ns, self._zone)
        return first if first == last else f"{first} to {last}"

    def _rows_of(self, case: Case, rule: str) -> str:
        found = [each.finding.event for each in case.findings if each.finding.rule == rule]
        return f"row {found[0]}" + (f" and {len(found) - 1:,} more" if len(found) > 1 else "")

    def _wrapped(self, text: str) -> Iterator[str]:
        return iter(
            wrap(
                text,
                max(self._width, 40),
                initial_indent=_INDENT,
                subsequent_indent=_INDENT,
                break_long_words=False,
                break_on_hyphens=False,
            )
        )

    def _foot(self) -> str:
        diagnosis = self._diagnosis
        found = found_in(diagnosis)
        checked = f"Checked {counted(len(diagnosis.rules), 'rule')} and every close."
        accepted = (
            f" {counted(len(diagnosis.accepted), 'case')} accepted by the baseline." if diagnosis.accepted else ""
        )
        if not found:
            return f"No problems found. {checked}{accepted}"
        return f"{found}. {checked}{accepted} More: gwinspect explain {diagnosis.cases[0].name}"


def found_in(diagnosis: Diagnosis) -> str:
    """Say how many cases of each severity there are; empty where there is none."""
    nouns = ((Severity.ERROR, "error"), (Severity.WARN, "warning"), (Severity.INFO, "info"))
    counts = [(diagnosis.count(severity), noun) for severity, noun in nouns]
    said = [f"{count:,} info" if noun == "info" else counted(count, noun) for count, noun in counts if count]
    return ", ".join(said)


_ANSWERS = {True: "yes", False: "no", None: "not documented"}


def _rows(numbers: Sequence[int]) -> str:
    said = ", ".join(str(number) for number in numbers[:_ROWS])
    more = len(numbers) - _ROWS
    return f"row{'s' * (len(numbers) > 1)} {said}" + (f" and {more:,} more" if more > 0 else "")
