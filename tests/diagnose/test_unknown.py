"""What a recording does not have is never concluded from: with less of the same traffic in it, nothing new is noticed.

Each sample is read as it is, and with something missing: the ends, who closed, the times, the server's messages from
some point on, the beginning.
"""

import zlib
from collections import Counter
from collections.abc import Callable
from contextlib import closing
from dataclasses import replace
from pathlib import Path

import pytest
from click.testing import CliRunner

from inspector.cli.show import show
from inspector.cli.stats import stats
from inspector.model import Closed, Event, Frame, Happening, Kind, Knows, Opened, Plane, Verdict
from inspector.pipeline import Pipeline
from inspector.protocol.registry import default
from inspector.report.about import _open
from inspector.store.reader import Reader, stored_happenings
from inspector.store.reindex import reindex
from inspector.store.writer import Writer
from sample_captures.make import HERE, SAMPLES
from tests.conversation import ACK, HELLO, NOON, Conversation, Payload, identify, message, ready, resume

REGISTRY = default()
# What says itself that something is missing or cannot be read.
ABOUT_IT = {"undecodable", "joined-late"}
Happenings = list[Happening]


def recorded(name: str) -> Happenings:
    with closing(Reader(HERE / f"{name}.gwcap")) as reader:
        return [happening for batch in stored_happenings(reader.db) for happening in batch]


def read(happenings: Happenings, path: Path) -> tuple[set[tuple[int, str]], dict[int, Verdict]]:
    """Return what is noticed, by connection and rule, and the verdicts by connection."""
    path.unlink(missing_ok=True)
    writer = Writer(path, REGISTRY, made_by="test", keep_secrets=True, bulk=True)
    writer.write(happenings)
    writer.finish()
    with closing(Reader(path)) as reader:
        events = list(reader.all_events())
        noticed = {(event.connection, finding.rule) for event in events for finding in event.findings}
        verdicts = {event.connection: event.verdict for event in events if event.verdict is not None}
    return noticed, verdicts


def without_ends(happenings: Happenings) -> Happenings:
    """As a HAR of Chrome has it."""
    last = {each.connection: each for each in happenings if not isinstance(each, Closed)}
    told: Happenings = []
    for each in happenings:
        if isinstance(each, Opened):
            each = replace(each, knows=each.knows & ~Knows.END & ~Knows.CLOSER & ~Knows.PINGS)
        if not isinstance(each, Closed):
            told.append(each)
            refused = isinstance(each, Opened) and each.refusal is not None
            if last[each.connection] is each and not refused:
                told.append(Closed(each.connection, each.at_ns, None))
    return told


def without_closers(happenings: Happenings) -> Happenings:
    """As a HAR of HTTP Toolkit has it."""
    return [
        replace(each, by=None)
        if isinstance(each, Closed)
        else replace(each, knows=each.knows & ~Knows.CLOSER)
        if isinstance(each, Opened)
        else each
        for each in happenings
    ]


def without_times(happenings: Happenings) -> Happenings:
    """As a HAR of Playwright has it: what is on a connection has the time of its opening."""
    opened = {each.connection: each.at_ns for each in happenings if isinstance(each, Opened)}
    told = [replace(each, at_ns=opened[each.connection]) for each in without_ends(happenings)]
    told = [replace(each, knows=each.knows & ~Knows.TIMES) if isinstance(each, Opened) else each for each in told]
    return sorted(told, key=lambda each: each.at_ns)


def compressed(happenings: Happenings) -> Happenings:
    """The same over zlib-stream, which can be lost."""
    streams: dict[int, object] = {}
    told: Happenings = []
    for each in happenings:
        if isinstance(each, Opened) and each.plane is Plane.GATEWAY and "compress=" not in each.url:
            streams[each.connection] = zlib.compressobj()
            each = replace(each, url=f"{each.url}&compress=zlib-stream")
        elif isinstance(each, Frame) and each.connection in streams and not each.from_client:
            stream = streams[each.connection]
            data = stream.compress(each.data) + stream.flush(zlib.Z_SYNC_FLUSH)  # type: ignore[attr-defined]
            each = replace(each, data=data, is_text=False)
        told.append(each)
    return told


def with_lost_streams(after: int) -> Callable[[Happenings], Happenings]:
    """The streams of `compressed` happenings can no longer be read after some messages of the server."""

    def change(happenings: Happenings) -> Happenings:
        streams = {each.connection for each in happenings if isinstance(each, Opened) and "-stream" in each.url}
        passed: Counter[int] = Counter()
        told: Happenings = []
        for each in happenings:
            if isinstance(each, Frame) and not each.from_client and each.connection in streams:
                passed[each.connection] += 1
                if passed[each.connection] == after:
                    each = replace(each, data=b"\xff\xff\xff\xff" + each.data)
            told.append(each)
        return told

    return change


def with_unreadable(of_voice: int) -> Callable[[Happenings], Happenings]:
    """One message of each voice server is no payload."""

    def change(happenings: Happenings) -> Happenings:
        voices = {each.connection for each in happenings if isinstance(each, Opened) and each.plane is Plane.VOICE}
        passed: Counter[int] = Counter()
        told: Happenings = []
        for each in happenings:
            if isinstance(each, Frame) and not each.from_client and each.connection in voices:
                passed[each.connection] += 1
                if passed[each.connection] == of_voice:
                    each = replace(each, data=b"{", is_text=True)
            told.append(each)
        return told

    return change


def without_the_beginning(of_each: int) -> Callable[[Happenings], Happenings]:
    """The recording begins when so many messages have passed on each main connection."""

    def change(happenings: Happenings) -> Happenings:
        passed: Counter[int] = Counter()
        told: Happenings = []
        for each in happenings:
            if isinstance(each, Opened):
                each = replace(each, joined_late=each.refusal is None)
            elif isinstance(each, Frame):
                passed[each.connection] += 1
                if passed[each.connection] <= of_each:
                    continue
            told.append(each)
        return told

    return change


WAYS: dict[str, Callable[[Happenings], Happenings]] = {
    "without ends": without_ends,
    "without closers": without_closers,
    "without times": without_times,
    **{f"lost after {n}": with_lost_streams(n) for n in (1, 2, 3, 5, 8)},
    **{f"unread {n}": with_unreadable(n) for n in (1, 2, 3, 4, 5, 7, 9, 12)},
    **{f"late by {n}": without_the_beginning(n) for n in (1, 2, 3, 4, 6)},
}


@pytest.mark.parametrize("way", WAYS)
def test_nothing_is_concluded_from_what_is_missing(way: str, tmp_path: Path) -> None:
    wrong = []
    for name in SAMPLES:
        whole = compressed(recorded(name)) if way.startswith("lost") else recorded(name)
        noticed, verdicts = read(whole, tmp_path / "whole.gwcap")
        less, other = read(WAYS[way](whole), tmp_path / "less.gwcap")
        for connection, rule in sorted(less - noticed):
            if rule not in ABOUT_IT:
                wrong.append(f"{name}: {rule} on connection {connection}")
        for connection, verdict in other.items():
            known = verdicts.get(connection)
            for what in ("reconnect", "resume", "right"):
                value, truth = getattr(verdict, what), getattr(known, what, None)
                if value is not None and value is not truth:
                    wrong.append(
                        f"{name}: {what} is {value} and not {truth} on connection {connection}: {verdict.cause}"
                    )
    assert wrong == []


UNENDED = Knows.TIMES | Knows.BOTH_SIDES | Knows.WIRE


def rows_of(happenings: Happenings, path: Path) -> list[Event]:
    writer = Writer(path, REGISTRY, made_by="test", keep_secrets=True, bulk=True)
    writer.write(happenings)
    writer.finish()
    with closing(Reader(path)) as reader:
        return list(reader.all_events())


def test_silence_after_the_last_message_proves_nothing(tmp_path: Path) -> None:
    """Another connection goes on for hours, and no rule waits for this one's heartbeat."""
    silent = Conversation().opens(knows=UNENDED).server(HELLO).client(identify()).server(ready())
    other = Conversation(connection=2, plane=Plane.VOICE, url="wss://us-east1.discord.media/?v=8", at_ns=NOON + 10**9)
    other.opens().waits(3_600_000).closes(1000)
    told = [*silent.happenings, *other.happenings]
    last = silent.happenings[-1].at_ns
    noticed, _ = read(told, tmp_path / "open.gwcap")
    assert (1, "heartbeat-never-began") in noticed
    told.insert(len(silent.happenings), Closed(1, last, None))
    noticed, verdicts = read(told, tmp_path / "ended.gwcap")
    assert {rule for connection, rule in noticed if connection == 1} == set()
    assert verdicts[1].cause == (
        "The end of this connection was not recorded; it is taken to have ended with its last message: the client's "
        "last was op 2 Identify, 10 ms before."
    )
    assert (verdicts[1].reconnect, verdicts[1].resume, verdicts[1].right) == (None, None, None)


def test_an_end_of_which_only_the_time_is_known_is_not_taken_to_be_another(tmp_path: Path) -> None:
    """As events of DevTools have it."""
    talk = Conversation().opens(knows=UNENDED).server(HELLO).client(identify()).waits(90).closes(None, by=None)
    _, verdicts = read(talk.happenings, tmp_path / "ended.gwcap")
    assert verdicts[1].cause == (
        "How this connection ended was not recorded: the client's last was op 2 Identify, 100 ms before."
    )


@pytest.mark.parametrize("comes_back", [resume(), identify()])
def test_a_connection_without_an_end_has_ended_when_its_client_goes_on_elsewhere(
    comes_back: Payload, tmp_path: Path
) -> None:
    first = Conversation().opens(knows=UNENDED).server(HELLO).client(identify()).server(ready())
    second = Conversation(connection=2, at_ns=NOON + 10**9).opens(knows=UNENDED).server(HELLO).client(comes_back)
    first.waits(2000).server(message("late")).waits(70_000).server(message("very late", 4)).closes(None, by=None)
    told = sorted([*first.happenings, *second.happenings], key=lambda each: each.at_ns)
    rows = rows_of(told, tmp_path / "a.gwcap")
    assert [(row.connection, row.kind.value, row.op) for row in rows] == [
        (1, "open", None),
        (1, "payload", 10),
        (1, "payload", 2),
        (1, "payload", 0),
        (2, "open", None),
        (2, "payload", 10),
        (1, "close", None),
        (2, "payload", comes_back["op"]),
        (1, "payload", 0),
        (1, "payload", 0),
    ]
    assert [row.note for row in rows[-2:]] == ["after the close"] * 2
    assert rows[6].verdict is not None
    assert rows[6].verdict.then_event == 8
    reindex(tmp_path / "a.gwcap", REGISTRY)
    with closing(Reader(tmp_path / "a.gwcap")) as reader:
        assert list(reader.all_events()) == rows


def test_a_live_connection_is_open_until_it_is_closed(tmp_path: Path) -> None:
    """The recorder knows ends: that a client has another connection does not end the first."""
    first = Conversation().opens().server(HELLO).client(identify()).server(ready())
    second = Conversation(connection=2, at_ns=NOON + 10**9).opens().server(HELLO).client(identify())
    rows = rows_of([*first.happenings, *second.happenings], tmp_path / "a.gwcap")
    assert not any(row.kind is Kind.CLOSE for row in rows)


def test_where_nobody_knows_who_closed_both_readings_are_named(tmp_path: Path) -> None:
    talk = Conversation().opens().server(HELLO).client(identify()).server(ready()).closes(4000, by=None)
    noticed, verdicts = read(talk.happenings, tmp_path / "a.gwcap")
    assert verdicts[1].cause == (
        "The connection was closed with 4000 Unknown error, and by whom was not recorded. If the server closed it: "
        "nothing the client sent explains it (the client's last was op 2 Identify, 20 ms before). If the client closed "
        "it: it left on its own; neither op 7 nor op 9 had come, and no heartbeat was without its ACK."
    )
    assert (verdicts[1].reconnect, verdicts[1].resume) == (True, True)
    assert noticed == set()


def test_a_plain_end_is_one_of_the_readings(tmp_path: Path) -> None:
    """1000 by the client ends the session, and by the server it does not: nothing is decided, and nothing noticed."""
    talk = Conversation().opens().server(HELLO).client(identify()).server(ready()).closes(1000, by=None)
    noticed, verdicts = read(talk.happenings, tmp_path / "a.gwcap")
    assert "If the client closed it: that is a normal end." in verdicts[1].cause
    assert (verdicts[1].reconnect, verdicts[1].resume) == (None, None)
    assert noticed == set()


def test_a_break_is_the_same_by_whomever(tmp_path: Path) -> None:
    talk = Conversation().opens().server(HELLO).client(identify()).server(ready()).closes(1006, by=None)
    _, verdicts = read(talk.happenings, tmp_path / "a.gwcap")
    assert "If the" not in verdicts[1].cause
    assert verdicts[1].resume is True


def test_nothing_is_kept_of_connections_without_an_end() -> None:
    """A HAR of a long day has thousands."""
    pipeline = Pipeline(REGISTRY)
    for number in range(1, 300):
        talk = Conversation(connection=number, at_ns=NOON + number * 10**9).opens(knows=UNENDED).server(HELLO)
        for happening in talk.closes(None, by=None).happenings:
            pipeline.feed(happening)
    assert pipeline.connections == []


def test_an_opening_says_what_its_source_does_not_record(tmp_path: Path) -> None:
    talk = Conversation().opens(knows=UNENDED).server(HELLO).closes(None, by=None)
    rows_of(talk.happenings, tmp_path / "a.gwcap")
    runner = CliRunner()
    shown = runner.invoke(show, [str(tmp_path / "a.gwcap")]).output
    assert "end not recorded" in shown
    assert "end not recorded" in runner.invoke(stats, [str(tmp_path / "a.gwcap")]).output
    with closing(Reader(tmp_path / "a.gwcap")) as reader:
        entries = _open(next(iter(reader.all_events())), reader.connection(1))
    said = {section.label: section.lines for section in entries.sections}
    assert said["Not recorded"] == ("how it ended, who closed it and pings and pongs",)


UNTIMED = Knows.ALL & ~Knows.TIMES
ONE_SIDED = Knows.ALL & ~Knows.BOTH_SIDES


@pytest.mark.parametrize(("knows", "note"), [(Knows.ALL, "after 10 ms"), (UNTIMED, None)])
def test_nothing_is_said_to_take_time_where_there_are_no_times(knows: Knows, note: str | None, tmp_path: Path) -> None:
    talk = Conversation().opens(knows=knows).server(HELLO).client(identify()).server(ready())
    answer = rows_of(talk.happenings, tmp_path / "a.gwcap")[-1]
    assert (answer.answers, answer.note) == (3, note)
    assert (answer.latency_ns is None) == (note is None)


@pytest.mark.parametrize(("knows", "note"), [(Knows.ALL, "no heartbeat was pending"), (ONE_SIDED, None)])
def test_of_a_side_that_is_not_recorded_no_heartbeat_is_missed(knows: Knows, note: str | None, tmp_path: Path) -> None:
    talk = Conversation().opens(knows=knows).server(HELLO).client(identify()).server(ready()).server(ACK)
    assert rows_of(talk.happenings, tmp_path / "a.gwcap")[-1].note == note


def test_a_cause_without_times_says_earlier(tmp_path: Path) -> None:
    talk = Conversation().opens(knows=UNTIMED).server(HELLO).server({"op": 7, "d": None}).closes(4000, by="client")
    verdict = rows_of(talk.happenings, tmp_path / "a.gwcap")[-1].verdict
    assert verdict is not None
    assert "(op 7) earlier" in verdict.cause


def test_a_url_that_was_not_seen_whole_lacks_no_version(tmp_path: Path) -> None:
    talk = Conversation(url="wss://gateway.discord.gg/").opens(knows=Knows.ALL & ~Knows.WIRE).server(HELLO)
    assert rows_of(talk.happenings, tmp_path / "a.gwcap")[0].findings == ()
