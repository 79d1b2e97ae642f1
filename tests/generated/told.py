"""What is told of a conversation, as cases."""

from collections.abc import Iterable

from inspector.analysis.cases import Case, Client, cases_of
from inspector.analysis.findings import Listed
from inspector.model import Happening, Severity
from inspector.pipeline import Pipeline
from inspector.protocol.registry import default
from tests.fed import fed
from tests.generated.faults import Fault
from tests.generated.wire import Recording


def is_told_first(fault: Fault, cases: list[Case]) -> bool:
    """Return whether a fault is the first case; one that is only worth a note need not be the first of the notes."""
    if fault.severity is not Severity.INFO:
        return bool(cases) and not set(fault.told_as).isdisjoint(cases[0].counts)
    noted = [case for case in cases if not set(fault.told_as).isdisjoint(case.counts)]
    return bool(noted) and all(case.severity is Severity.INFO for case in cases)


def told(recording: Recording) -> list[Case]:
    """Return the cases of a recording, without writing it down."""
    return told_of(recording.happenings)


def told_of(happenings: Iterable[Happening]) -> list[Case]:
    """The same, of whatever was recorded."""
    pipeline = Pipeline(default())
    made = fed(happenings, pipeline)
    made.add(pipeline.finish())
    rows = {event.n: event for event in made.rows}
    findings = [*(finding for event in made.rows for finding in event.findings), *made.late]
    listed = [
        Listed(number, rows[each.event].at_ns, rows[each.event].connection, rows[each.event].plane, each)
        for number, each in enumerate(findings, 1)
    ]
    clients = {
        number: Client(connection.account or "", connection.session, connection.shard)
        for number, connection in made.changed.items()
    }
    return cases_of(listed, {number: event.connection for number, event in rows.items()}, clients)
