"""What there is to plot is exact, bounded, and the same however it was sliced."""

from collections import Counter
from importlib.resources import files
from pathlib import Path
from typing import Any
from unittest.mock import patch

import pytest
from hypothesis import given
from hypothesis import strategies as st

from inspector.analysis import measure
from inspector.analysis.measure import NARROWEST, SIZES, Measured, Measures
from inspector.errors import CaptureError
from inspector.model import Event, Kind, Plane
from inspector.protocol.registry import default
from inspector.store.database import open_database
from inspector.store.reader import Reader
from inspector.store.writer import Writer
from tests.conversation import ACK, HEARTBEAT, HELLO, NOON, Conversation, identify, message, ready, usual

SAMPLES = sorted(Path("sample_captures").glob("*.gwcap"))
SECOND = 1_000_000_000


class Rows(Reader):
    """A reader of rows that nobody would record."""

    def __init__(self, *rows: dict[str, Any]) -> None:
        self.path = Path("made-up.gwcap")
        self._db = open_database(":memory:")
        self._checked = {}
        self.db.executescript(files("inspector.store").joinpath("schema.sql").read_text("utf-8"))
        for row in rows:
            self.add(**row)

    def add(self, **row: Any) -> None:
        usual = {
            "connection": 1, "at": NOON, "plane": "gateway", "kind": "payload", "from_client": 0, "first_frame": 1,
            "last_frame": 1, "wire_bytes": 10, "decoded_bytes": 20, "marks": 0, "severity": 0,
        }  # fmt: skip
        row = usual | row
        self.db.execute(f"insert into event ({', '.join(row)}) values ({', '.join('?' * len(row))})", [*row.values()])


def measured(reader: Any, *, limit: int = measure.SLICE) -> Measures:
    measures = Measures(reader)
    while measures.advance(limit):
        pass
    return measures


def of(talk: Conversation, path: Path) -> Measures:
    writer = Writer(path, default(), made_by="test")
    writer.write(talk.happenings)
    writer.finish()
    reader = Reader(path)
    try:
        return measured(reader)
    finally:
        reader.close()


@pytest.mark.parametrize("path", SAMPLES, ids=lambda path: path.stem)
def test_samples_are_counted_exactly(path: Path) -> None:
    reader = Reader(path)
    events = [event for event in reader.all_events() if event.kind not in (Kind.OPEN, Kind.CLOSE)]
    found = measured(reader, limit=7).snapshot()
    reader.close()

    def total(what: str, from_client: bool) -> int:
        return sum(getattr(event, what) for event in events if bool(event.from_client) == from_client)

    sent = [event for event in events if event.from_client]
    assert found.total.sent == len(sent)
    assert found.total.received == len(events) - len(sent)
    assert (found.total.sent_wire, found.total.received_wire) == (total("wire_bytes", True), total("wire_bytes", False))
    decoded = found.total.sent_decoded, found.total.received_decoded
    assert decoded == (total("decoded_bytes", True), total("decoded_bytes", False))

    def key(event: Event) -> tuple[object, ...]:
        return event.plane, event.kind, event.op, event.event

    names = Counter(map(key, events))
    assert {(each.plane, each.kind, each.op, each.event): each.count for each in found.tallies} == names
    assert [(each.plane, each.kind, each.op, each.event) for each in found.tallies] == list(names)
    for tally in found.tallies:
        same = [event for event in events if key(event) == (tally.plane, tally.kind, tally.op, tally.event)]
        assert tally.wire_bytes == sum(event.wire_bytes for event in same)
        assert tally.decoded_bytes == sum(event.decoded_bytes for event in same)
        assert tally.largest_wire == max(event.wire_bytes for event in same)
        assert tally.largest_decoded == max(event.decoded_bytes for event in same)
        spread = Counter(max(event.wire_bytes.bit_length() - 1, 0) for event in same)
        assert tally.sizes == tuple(spread[power] for power in range(SIZES))


def test_opening_and_closing_is_no_message(tmp_path: Path) -> None:
    talk = Conversation().opens().closes()
    found = of(talk, tmp_path / "talk.gwcap").snapshot()
    assert (found.counted, found.last) == (2, 2)
    assert (found.buckets, found.tallies, found.columns(10).volumes) == ({}, (), ())


def test_a_heartbeat_takes_until_its_ack(tmp_path: Path) -> None:
    measures = of(usual(), tmp_path / "talk.gwcap")
    (trips,) = measures.snapshot().round_trips
    assert (trips.connection, trips.count, trips.longest_ns, trips.median_ns) == (1, 1, 10_000_000, 10_000_000)
    assert measures.round_trips(1, 5) == measures.round_trips(None, 5) == [10.0]
    assert measures.round_trips(2, 5) == []


def test_round_trips_are_those_stored_with_acks_by_connection() -> None:
    rows = Rows(
        {"connection": 1, "op": 1, "from_client": 1, "at": NOON},
        {"connection": 2, "op": 3, "from_client": 1, "at": NOON + 1_000_000, "plane": "voice"},
        {"connection": 3, "op": 40, "from_client": 1, "at": NOON + 2_000_000},
        {"connection": 1, "op": 1, "from_client": 0, "at": NOON + 2_500_000},
        {"connection": 3, "op": 11, "at": NOON + 3_000_000, "latency": 1_000_000},
        {"connection": 2, "op": 6, "at": NOON + 4_000_000, "latency": 3_000_000, "plane": "voice"},
        {"connection": 1, "op": 11, "at": NOON + 9_000_000, "latency": 9_000_000},
        {"connection": 1, "op": 11, "at": NOON + 9_000_000},
        # Another pair than that of a heartbeat.
        {"connection": 1, "op": 0, "event": "READY", "at": NOON + 9_000_000, "latency": 70_000_000},
        {"connection": 4, "op": "heartbeat", "from_client": 1, "at": NOON, "plane": "remote-auth"},
        {
            "connection": 4, "op": "heartbeat_ack", "at": NOON + 5_000_000, "latency": 5_000_000,
            "plane": "remote-auth",
        },
    )  # fmt: skip
    found = measured(rows).snapshot().round_trips
    assert [(each.connection, [*each.lasted_ns]) for each in found] == [
        (1, [9_000_000]), (2, [3_000_000]), (3, [1_000_000]), (4, [5_000_000]),
    ]  # fmt: skip


def test_the_rate_of_now_is_of_the_last_second() -> None:
    rows = Rows(*({"at": NOON + ms * 1_000_000} for ms in range(0, 5000, 100)))
    measures = measured(rows)
    assert measures.rate(NOON + 5 * SECOND) == 10
    assert measures.rate(NOON + 3 * SECOND) == 10
    assert measures.rate(NOON + 7 * SECOND) == 0
    assert measures.rate_history(7, NOON + 6 * SECOND) == [0, 10, 10, 10, 10, 10, 0]
    assert measures.rate_history(2) == [10, 10]


def test_the_last_minute_stays_fine_in_a_long_capture() -> None:
    rows = Rows({"at": NOON - 86_400 * SECOND}, *({"at": NOON + step * SECOND} for step in range(10)))
    measures = measured(rows)
    assert measures.snapshot().bucket_ns > SECOND
    assert measures.rate_history(5, NOON + 10 * SECOND) == [1, 1, 1, 1, 1]


def test_nothing_measured_is_nothing_to_show() -> None:
    measures = measured(Rows())
    assert measures.snapshot() == Measured()
    assert measures.rate(NOON) == 0
    assert measures.rate_history(3) == [0, 0, 0]
    assert measures.round_trips(None, 3) == []


def test_columns_leave_no_time_and_no_message_out() -> None:
    rows = Rows(*({"at": NOON + step * step * 1_000_000} for step in range(100)))
    found = measured(rows).snapshot()
    for room in (1, 2, 3, 50, 100, 10_000):
        columns = found.columns(room)
        assert len(columns.volumes) <= room
        assert sum(volume.received for volume in columns.volumes) == 100
        assert columns.start_ns <= NOON
        assert columns.start_ns + columns.width_ns * len(columns.volumes) > NOON + 99 * 99 * 1_000_000
        assert columns.volumes[0].received
        assert columns.volumes[-1].received


def test_a_capture_of_any_length_has_a_bounded_number_of_buckets() -> None:
    rows = Rows(*({"at": at} for at in (0, 5, NOON, 2**63 - 1)))
    found = measured(rows).snapshot()
    assert found.total.received == 4
    assert max(found.buckets) - min(found.buckets) < measure.MOST_BUCKETS


def test_many_names_are_counted_together() -> None:
    rows = Rows(*({"op": 0, "event": f"EVENT_{number}"} for number in range(measure.MOST_TALLIES + 20)))
    found = measured(rows).snapshot()
    assert len(found.tallies) == measure.MOST_TALLIES
    assert found.rest == 20


def test_long_names_that_begin_alike_are_one() -> None:
    rows = Rows(*({"op": 0, "event": "A" * 1000 + str(number)} for number in range(3)))
    (tally,) = measured(rows).snapshot().tallies
    assert (tally.event, tally.count) == ("A" * measure.LONGEST_NAME, 3)


def test_thinned_round_trips_keep_the_longest() -> None:
    rows = Rows()
    count = 3 * measure.OUTLINE
    for number in range(count):
        took = 500_000_000 if number == 701 else 40_000_000
        rows.add(op=1, from_client=1, at=NOON + number * SECOND)
        rows.add(op=11, at=NOON + number * SECOND + took, latency=took)
    with patch.object(measure, "MOST_ROUND_TRIPS", count):
        (trips,) = measured(rows).snapshot().round_trips
    assert (trips.count, trips.longest_ns, trips.median_ns) == (count, 500_000_000, 40_000_000)
    assert len(trips.outline) <= measure.OUTLINE
    assert (NOON + 701 * SECOND + 500_000_000, 500_000_000) in trips.outline


def test_a_snapshot_never_changes() -> None:
    rows = Rows({"op": 1, "from_client": 1}, {"op": 11, "at": NOON + 5})
    measures = measured(rows)
    before, again = measures.snapshot(), measures.snapshot()
    rows.add(op=1, from_client=1)
    rows.add(op=11, at=NOON + 7)
    measures.advance()
    assert before == again != measures.snapshot()


@pytest.mark.parametrize(
    "row", [{"at": "soon"}, {"wire_bytes": b"much"}, {"at": float("inf")}, {"connection": "first"}]
)
def test_nonsense_in_a_column_is_a_damaged_capture(row: dict[str, Any]) -> None:
    rows = Rows({"op": 1, "from_client": 1} | row, {"op": 11} | row)
    with pytest.raises(CaptureError, match=r"made-up\.gwcap"):
        measured(rows)


def test_numbers_that_no_row_has_cost_nothing() -> None:
    """They are what a table lacks that someone has cut; each slice used to look at numbers, whether rows had them."""
    assert measured(Rows({"id": 5}, {"id": 10**12})).snapshot().counted == 10**12


def test_a_number_that_no_row_can_have_is_a_damaged_capture() -> None:
    with pytest.raises(CaptureError, match="a number out of range"):
        measured(Rows({"id": 2**63 - 1}))


_ROW = st.fixed_dictionaries(
    {
        "connection": st.integers(1, 3),
        "at": st.one_of(
            st.integers(NOON, NOON + 100 * SECOND), st.integers(NOON, NOON + NARROWEST * 9), st.integers(0, 2**62)
        ),
        "plane": st.sampled_from([*Plane]),
        "kind": st.sampled_from([*Kind]),
        "from_client": st.sampled_from([None, 0, 1]),
        "op": st.sampled_from([None, 0, 1, 3, 6, 11, 40, "heartbeat", "heartbeat_ack"]),
        "event": st.sampled_from([None, "A", "B", "C", "AAAAAAAA", "AAAAAAAB"]),
        "wire_bytes": st.integers(0, 5000),
        "decoded_bytes": st.integers(0, 5000),
        "latency": st.one_of(st.none(), st.integers(-SECOND, 100 * SECOND)),
    }
)
_BOUNDS = {
    "MOST_BUCKETS": 8, "MOST_ROUND_TRIPS": 3, "MOST_TALLIES": 5, "LONGEST_NAME": 4, "OUTLINE": 2, "_RECENT_SECONDS": 3,
}  # fmt: skip


@given(
    rows=st.lists(
        st.one_of(_ROW, _ROW.map(lambda row: row | {"plane": "gateway", "kind": "payload", "op": 11})), max_size=30
    ),
    cuts=st.lists(st.integers(1, 9), max_size=30),
)
def test_any_split_measures_the_same(rows: list[dict[str, Any]], cuts: list[int]) -> None:
    with patch.multiple(measure, **_BOUNDS):
        at_once = Measures(Rows(*rows))  # type: ignore[arg-type]
        at_once.advance()
        growing = Rows()
        little_by_little = Measures(growing)  # type: ignore[arg-type]
        at = 0
        for cut in [*cuts, len(rows)]:
            for row in rows[at : at + cut]:
                growing.add(**row)
            at += cut
            while little_by_little.advance(cut // 2 + 1):
                pass
        assert little_by_little.snapshot() == at_once.snapshot()
        assert little_by_little.rate_history(9) == at_once.rate_history(9)
        for connection in (None, 1, 2, 3):
            assert little_by_little.round_trips(connection, 9) == at_once.round_trips(connection, 9)
        messages = [row for row in rows if row["kind"] not in ("open", "close", "gap")]
        total = at_once.snapshot().total
        assert total.sent + total.received == len(messages)
        assert sum(tally.count for tally in at_once.snapshot().tallies) + at_once.snapshot().rest == len(messages)


def test_what_is_new_is_added(tmp_path: Path) -> None:
    path = tmp_path / "talk.gwcap"
    writer = Writer(path, default(), made_by="test")
    talk = Conversation().opens().server(HELLO).client(identify()).server(ready())
    writer.write(talk.happenings)
    reader = Reader(path)
    measures = measured(reader)
    assert measures.snapshot().total.received == 2
    before = len(talk.happenings)
    talk.client(HEARTBEAT).server(ACK).server(message("hello"))
    writer.write(talk.happenings[before:])
    assert not measures.advance()
    assert measures.snapshot().total.received == 4
    assert measures.round_trips(None, 1) == [10.0]
    reader.close()
    writer.finish()
