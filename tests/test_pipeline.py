import pytest
from hypothesis import given
from hypothesis import strategies as st

from inspector.model import Closed, Control, Event, Frame, Happening, Kind, Mark, Opened, Plane
from inspector.pipeline import MAX_CONTEXTS, Pipeline
from inspector.protocol.registry import default
from tests.conversation import (
    ACK,
    DIALECTS,
    HEARTBEAT,
    HELLO,
    NOON,
    SESSION,
    STEP,
    TOKEN,
    Conversation,
    identify,
    message,
    ready,
    usual,
)
from tests.fed import fed


def events(talk: Conversation) -> list[Event]:
    return fed(talk.happenings, finish=True).rows


def test_every_happening_and_every_row_has_a_number() -> None:
    found = events(usual())
    assert [event.n for event in found] == list(range(1, 12))
    assert [(event.first_frame, event.last_frame) for event in found] == [(n, n) for n in range(1, 12)]
    assert [event.at_ns for event in found] == [NOON + STEP * n for n in range(11)]


def test_numbers_go_on_where_a_capture_ended() -> None:
    pipeline = Pipeline(default(), first_frame=101, first_event=51)
    [event] = pipeline.feed(usual().happenings[0]).rows
    assert (event.n, event.first_frame, pipeline.next_frame, pipeline.next_event) == (51, 101, 102, 52)


def test_rows_are_of_the_kinds_that_crossed() -> None:
    found = events(usual())
    kinds = [event.kind for event in found]
    assert kinds == [Kind.OPEN, *[Kind.PAYLOAD] * 7, Kind.CONTROL, Kind.PAYLOAD, Kind.CLOSE]
    opened, ping, closed = found[0], found[8], found[10]
    assert (opened.opened, opened.from_client) == (usual().happenings[0], None)
    assert (ping.event, ping.from_client, ping.payload, ping.wire_bytes) == ("ping", True, b"\x01", 1)
    assert (closed.closed, closed.from_client) == (usual().happenings[-1], False)


@pytest.mark.parametrize(("encoding", "compression"), DIALECTS)
def test_a_row_spans_its_frames_and_counts_their_bytes(encoding: str, compression: str) -> None:
    talk = Conversation(encoding, compression).opens().server(HELLO).server(message("hi " * 99), pieces=2).server(ACK)
    pieces = [frame for frame in talk.frames if frame.data != talk.frames[0].data]
    found = events(talk)
    if compression.endswith("stream"):
        assert [(event.first_frame, event.last_frame) for event in found] == [(1, 1), (2, 2), (3, 4), (5, 5)]
        assert found[2].wire_bytes == len(pieces[0].data) + len(pieces[1].data)
    assert sum(event.wire_bytes for event in found) == sum(len(frame.data) for frame in talk.frames)
    if compression != "payload":
        assert found[2].decoded_bytes == len(talk.encoded(message("hi " * 99))) == len(found[2].payload or b"")


def test_connections_are_told_apart_although_they_talk_at_once() -> None:
    one, two = usual("json", "zlib-stream", connection=1), usual("etf", "zstd-stream", connection=2)
    made = fed(each for pair in zip(one.happenings, two.happenings, strict=True) for each in pair)
    for number in (1, 2):
        assert [event.op for event in made.rows if event.connection == number] == [
            event.op for event in events(usual())
        ]
    assert (made.changed[1].encoding, made.changed[1].compression) == ("json", "zlib-stream")
    assert (made.changed[2].encoding, made.changed[2].compression) == ("etf", "zstd-stream")


def test_nothing_is_remembered_of_connections_that_ended() -> None:
    pipeline = Pipeline(default())
    for number in range(1, 20):
        for happening in usual("json", "zlib-stream", connection=number).happenings:
            pipeline.feed(happening)
    pipeline.feed(Opened(20, 0, Plane.GATEWAY, "wss://g/", refusal="HTTP 403 Forbidden", status=403))
    assert pipeline._open == {}


@pytest.mark.parametrize("happening", [Closed(7, 1, 1000), Control(7, 1, True, "ping"), usual(connection=7).frames[0]])
def test_a_connection_that_was_never_announced_is_read_all_the_same(happening: Happening) -> None:
    made = fed([happening])
    [event] = made.rows
    assert (event.connection, event.plane) == (7, Plane.GATEWAY)
    assert made.changed[7].opened.joined_late


def test_a_stream_that_was_never_announced_is_unreadable_once() -> None:
    talk = Conversation("json", "zlib-stream")
    for text in ("one", "two", "three"):
        talk.server(message(text * 50))
    del talk.happenings[0]
    found = events(talk.closes())
    assert [event.kind for event in found] == [Kind.UNDECODED, Kind.CLOSE]
    assert found[0].undecoded is not None
    assert found[0].undecoded.reason == "joined-late"


def test_the_close_counts_what_could_not_be_read() -> None:
    talk = Conversation("json", "zlib-stream").opens(joined_late=True)
    for number in range(1, 6):
        talk.server(message("again and again " * 9, number))
    del talk.happenings[1]
    talk.client(HEARTBEAT)
    found = events(talk.closes(1000))
    assert [event.kind for event in found] == [Kind.OPEN, Kind.UNDECODED, Kind.PAYLOAD, Kind.CLOSE]
    assert found[-1].note == "3 messages before it were stored undecoded"


@pytest.mark.parametrize("ending", [True, False])
def test_a_payload_that_never_came_whole_has_a_row_at_the_end(ending: bool) -> None:
    talk = Conversation("json", "zlib-stream").opens().server(message("cut off " * 50), pieces=2)
    talk.happenings.pop()
    if ending:
        talk.closes(1006, by=None)
    found = events(talk)
    assert found[1].undecoded is not None
    assert (found[1].kind, found[1].undecoded.reason) == (Kind.UNDECODED, "truncated")
    assert (found[1].first_frame, found[1].from_client) == (2, False)
    assert found[1].wire_bytes == len(talk.frames[0].data)


def test_problems_of_a_payload_stand_in_its_note() -> None:
    talk = Conversation().opens().frame(b'{"op":"11"}', is_text=True)
    assert events(talk)[1].note == "no heartbeat was pending; op is the text '11', not a number"


def test_marks_of_a_message_are_those_of_its_row() -> None:
    talk = Conversation("json", "zlib-stream").opens().server(HELLO, marks=Mark.DROPPED).injected(ACK).server(ACK)
    assert [event.marks for event in events(talk)[1:]] == [Mark.DROPPED, Mark.INJECTED, Mark.NONE]


def test_names_are_learned_from_guilds() -> None:
    assert fed(usual().happenings).names == {1180000000000000042: "Test Guild", 1180000000000000050: "general"}


def test_a_connection_is_said_to_have_changed_only_when_it_did() -> None:
    pipeline = Pipeline(default())
    changes = [bool(pipeline.feed(happening).changed) for happening in usual("etf", "payload").happenings]
    assert changes == [True, True, True, True, *[False] * 6, True]


HAPPENINGS = st.one_of(
    st.builds(Frame, st.integers(1, 2), st.just(5), st.booleans(), st.booleans(), st.binary(max_size=20)),
    st.builds(Frame, st.integers(1, 2), st.just(5), st.booleans(), st.just(True), st.just(b'{"op":1,"d":{"t":1}}')),
    st.builds(Opened, st.integers(1, 2), st.just(5), st.sampled_from(Plane), st.text(max_size=9)),
    st.builds(Closed, st.integers(1, 2), st.just(6), st.none() | st.integers(0, 5000), st.text(max_size=3)),
    st.builds(Control, st.integers(1, 2), st.just(7), st.booleans(), st.just("pong"), st.binary(max_size=3)),
)


@given(st.lists(HAPPENINGS, max_size=12))
def test_whatever_happens_is_numbered_in_order(happenings: list[Happening]) -> None:
    pipeline = Pipeline(default())
    found = fed(happenings, pipeline, finish=True).rows
    assert [event.n for event in found] == list(range(1, len(found) + 1))
    assert pipeline.next_frame == len(happenings) + 1
    assert all(1 <= event.first_frame <= event.last_frame <= len(happenings) for event in found)


def test_what_comes_after_a_close_is_a_row_from_which_nothing_follows() -> None:
    """The server had not seen the close yet. The client may have read it all the same, and resume from there."""
    talk = Conversation("json", "zlib-stream").opens().server(HELLO).client(identify()).server(ready())
    talk.closes(4000).server(message("on its way", 2)).pings(from_client=False)
    again = Conversation(connection=2, at_ns=NOON + 1_000_000_000).opens().server(HELLO)
    again.client({"op": 6, "d": {"token": TOKEN, "session_id": SESSION, "seq": 2}})
    found = fed((*talk.happenings, *again.happenings)).rows
    assert [(event.kind, event.op, event.connection) for event in found[4:7]] == [
        (Kind.CLOSE, None, 1),
        (Kind.PAYLOAD, 0, 1),
        (Kind.CONTROL, None, 1),
    ]
    assert found[5].note == "after the close"
    assert all(not event.findings for event in found[5:])


def broken(*args: object, **more: object) -> None:
    raise KeyError("s3cret-t0ken")


@pytest.mark.usefixtures("lenient")
@pytest.mark.parametrize(
    "place",
    [
        "inspector.session.tracker.Tracker.locate",
        "inspector.session.tracker.Tracker.follow",
        "inspector.session.tracker.Tracker.opened",
        "inspector.session.tracker.Tracker.closed",
        "inspector.session.plan.Plan.oddities",
        "inspector.session.tracker.Tracker.receive",
        "inspector.pipeline.Pipeline._said",
        "inspector.diagnose.engine.RuleEngine.examine",
        "inspector.diagnose.engine.judge",
        "inspector.pipeline.names_in",
    ],
)
def test_a_bug_in_a_step_costs_no_row(place: str, monkeypatch: pytest.MonkeyPatch) -> None:
    whole = events(usual())
    monkeypatch.setattr(place, broken)
    found = events(usual())
    assert [(e.n, e.kind, e.op, e.event, e.payload) for e in found] == [
        (e.n, e.kind, e.op, e.event, e.payload) for e in whole
    ]
    notes = [event.note for event in found if event.note and "bug in gwinspect" in event.note]
    assert notes
    assert all("gwinspect does not understand all of this row (bug in gwinspect: KeyError in" in note for note in notes)
    assert not any("s3cret" in note for note in notes)


@pytest.mark.usefixtures("lenient")
def test_what_a_bug_keeps_from_being_read_has_a_row(monkeypatch: pytest.MonkeyPatch) -> None:
    pipeline = Pipeline(default())
    happenings = usual().happenings
    first = pipeline.feed(happenings[0]).rows
    with monkeypatch.context() as patched:
        patched.setattr("inspector.pipeline.Decoder.receive", broken)
        found = first + fed(happenings[1:], pipeline).rows
    assert [event.n for event in found] == list(range(1, 12))
    frames = [event for event in found if event.kind is Kind.UNDECODED]
    assert len(frames) == len(usual().frames)
    assert all(event.undecoded and event.undecoded.reason == "fault" for event in frames)
    assert [event.from_client for event in frames] == [frame.from_client for frame in usual().frames]
    assert found[-1].kind is Kind.CLOSE


@pytest.mark.usefixtures("lenient")
def test_a_close_that_a_bug_keeps_from_being_read_ends_its_connection(monkeypatch: pytest.MonkeyPatch) -> None:
    pipeline = Pipeline(default())
    *before, close = usual().happenings
    for happening in before:
        pipeline.feed(happening)
    with monkeypatch.context() as patched:
        patched.setattr("inspector.pipeline.Decoder.finish", broken)
        outcome = pipeline.feed(close)
    (event,) = outcome.rows
    assert (event.kind, event.n) == (Kind.UNDECODED, 11)
    assert pipeline.connections == []
    assert [each.closed for each in outcome.changed] == [close]


def test_faults_are_let_through_to_tests(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("inspector.session.tracker.Tracker.follow", broken)
    with pytest.raises(KeyError):
        events(usual())


@pytest.mark.parametrize("compression", ["zlib-stream", "zstd-stream"])
def test_the_contexts_of_connections_that_ended_are_few(compression: str) -> None:
    """One of zstd takes half a megabyte, and a thousand connections may end in a minute."""
    talks = [
        Conversation("json", compression, connection=number, at_ns=NOON + number * STEP).opens().server(HELLO).closes()
        for number in range(1, MAX_CONTEXTS + 2)
    ]
    pipeline = Pipeline(default())
    for happening in (each for talk in talks for each in talk.happenings):
        pipeline.feed(happening)
    left = [pipeline.feed(talk.server(message("on its way", 2)).happenings[-1]).rows for talk in talks]
    assert left[0] == []
    assert [[event.note for event in events] for events in left[1:]] == [["after the close"]] * MAX_CONTEXTS


def test_an_outcome_holds_what_one_happening_brought_and_nothing_from_before() -> None:
    pipeline = Pipeline(default())
    brought = [pipeline.feed(happening) for happening in usual().happenings]
    assert [[event.n for event in outcome.rows] for outcome in brought] == [[n] for n in range(1, 12)]
    assert [n for n, outcome in enumerate(brought, 1) if outcome.names] == [5]
    assert [n for n, outcome in enumerate(brought, 1) if outcome.changed] == [1, 2, 3, 4, 11]
    assert [[verdict.event for verdict in outcome.verdicts] for outcome in brought] == [[]] * 10 + [[11]]


@pytest.mark.usefixtures("lenient")
def test_a_bug_between_two_rows_costs_neither(monkeypatch: pytest.MonkeyPatch) -> None:
    """A close that ends a payload has two rows; what breaks at the second keeps the first, and numbers go on."""
    talk = Conversation("json", "zlib-stream").opens().server(message("cut off " * 50), pieces=2)
    del talk.happenings[-1]
    pipeline = Pipeline(default())
    fed(talk.happenings, pipeline)
    monkeypatch.setattr("inspector.pipeline._note_news", broken)
    rows = pipeline.feed(talk.closes().happenings[-1]).rows
    assert [(event.n, event.undecoded and event.undecoded.reason) for event in rows] == [(2, "truncated"), (3, "fault")]
