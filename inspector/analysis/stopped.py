"""Kinds of event that came steadily and stopped for the rest of a session, while others went on.

Only a whole recording tells that, so it is looked for once, when there is all of it, in the rows as they are stored.
"""

from array import array
from bisect import bisect_right
from collections.abc import Iterator
from itertools import accumulate, pairwise

from inspector.analysis.cases import Listed
from inspector.diagnose.absence import event_stopped
from inspector.diagnose.engine import finding
from inspector.diagnose.rule import SECOND, Noticed
from inspector.inert import inert
from inspector.model import Plane
from inspector.session.redact import mask_text
from inspector.store.reader import Reader, explained
from inspector.words import counted, took

# So many of a kind over such a time are steady; so many others after the last of them are a session that goes on.
LEAST, STEADY_NS, OTHERS = 20, 600 * SECOND, 20
# Silence that says something: so long, and so many times as long as the longest pause before it.
SILENT_NS, PAUSES = 600 * SECOND, 10
# How much of a time without any event counts: a longer one is a connection that was lost, or a quiet night.
QUIET_NS = 60 * SECOND
# Rows of one kind that are looked at, the last of them, and kinds of one recording.
_ROWS, _KINDS = 5_000, 100
# What comes only as an answer, or at the beginning.
_ANSWERS = ("READY", "RESUMED", "GUILD_CREATE", "GUILD_MEMBERS_CHUNK", "VOICE_SERVER_UPDATE")

_WHOSE = "ifnull(session, 'connection ' || connection.id)"
_DISPATCHES = """
    from event join connection on connection.id = event.connection
    where event.kind = 'payload' and event.plane = 'gateway' and event.op = 0 and event.from_client = 0"""
_STEADY = f"""
    with kinds as (
        select {_WHOSE} as whose, event.event as kind, count(*) as many, min(event.at) as first, max(event.at) as last,
            max(event.id) as row
        {_DISPATCHES} and event.event is not null group by 1, 2
    ), ends as (select whose as of, max(last) as end from kinds group by 1)
    select whose, kind, many, first, last, row from kinds join ends on ends.of = whose
    where many >= {LEAST} and last - first >= {STEADY_NS} and end - last >= {SILENT_NS} and kind not in {_ANSWERS}
    order by row limit {_KINDS}"""
_TIMES = f"select event.at {_DISPATCHES} and {_WHOSE} = ? order by event.id"
_TIMES_OF = f"select event.at {_DISPATCHES} and {_WHOSE} = ? and event.event = ? order by event.id desc limit {_ROWS}"
_UNREAD = f"""
    select 1 from event join connection on connection.id = event.connection
    where {_WHOSE} = ? and (event.kind in ('gap', 'undecoded') or unread_frames) limit 1"""


def stopped(reader: Reader) -> Iterator[Listed]:
    """Yield a finding for each kind of event that stopped, at its last row; `reader` is on a recording that is whole.

    They are numbered from -1 downwards, as no capture has them. Raises CaptureError where it is damaged.
    """
    first_ns, last_ns = reader.span()
    if last_ns - first_ns < STEADY_NS + SILENT_NS:
        return
    with explained(reader.path):
        times: dict[str, _Times] = {}
        number = 0
        for whose, kind, many, first, last, row in reader.db.execute(_STEADY).fetchall():
            if reader.db.execute(_UNREAD, (whose,)).fetchone() is not None:
                # It may have come unseen.
                continue
            if whose not in times:
                times = {whose: _Times(reader, whose)}
            own = [int(at) for (at,) in reader.db.execute(_TIMES_OF, (whose, kind))][::-1]
            silence_ns, others = times[whose].after(last)
            pause_ns = max(times[whose].between(before, after) for before, after in pairwise(own))
            if others < OTHERS or silence_ns < max(SILENT_NS, PAUSES * pause_ns):
                continue
            number -= 1
            (connection,) = reader.db.execute("select connection from event where id = ?", (row,)).fetchone()
            name = inert(mask_text(str(kind)))[:80]
            text = (
                f"{name} came {many:,} times within {took(last - first)}, and never more than "
                f"{took(max(pause_ns, SECOND))} apart. In the {took(silence_ns)} after this one it did not come, and "
                f"{counted(others, 'other event')} did."
            )
            noticed = finding(event_stopped.id, event_stopped.severity, Noticed(text), row)
            yield Listed(number, int(last), int(connection), Plane.GATEWAY, noticed)


class _Times:
    """When the events of a session came. Time in which there is none counts only up to `QUIET_NS`."""

    def __init__(self, reader: Reader, whose: str) -> None:
        self._at = array("q", (int(at) for (at,) in reader.db.execute(_TIMES, (whose,))))
        steps = (min(max(after - before, 0), QUIET_NS) for before, after in pairwise(self._at))
        self._passed = array("q", accumulate(steps, initial=0))

    def between(self, before_ns: int, after_ns: int) -> int:
        """Return the time between two moments, in nanoseconds."""
        return self._to(after_ns) - self._to(before_ns)

    def after(self, at_ns: int) -> tuple[int, int]:
        """Return the time from a moment to the last event, and how many events came in it."""
        return self._passed[-1] - self._to(at_ns), len(self._at) - bisect_right(self._at, at_ns)

    def _to(self, at_ns: int) -> int:
        return self._passed[max(bisect_right(self._at, at_ns) - 1, 0)]
