"""Happenings written as frames and read again are the same, and so are the rows that they make."""

import json
from collections.abc import Sequence
from contextlib import closing
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from inspector.importers.frames import FramesFile
from inspector.importers.frames.writing import header_of, line, lines, time_of
from inspector.importers.merge import Input, merge
from inspector.model import REACHED_AT, Closed, Control, Frame, Gap, Happening, Knows, Mark, Opened, Plane, Undecoded
from inspector.protocol.registry import default
from inspector.store.reader import Reader
from inspector.wire.decoder import withheld
from tests.conversation import ACK, DIALECTS, HELLO, NOON, Conversation, usual
from tests.fuzz.talks import talks

SAMPLES = sorted((Path(__file__).parents[2] / "sample_captures").glob("*.gwcap"))
HEADER = header_of("a test", time_of(NOON))


def read(path: Path) -> tuple[list[Happening], list[str]]:
    source = FramesFile(path)
    return list(source), source.notes


def again(folder: Path, happenings: Sequence[Happening]) -> list[Happening]:
    path = folder / "bot.frames.jsonl"
    path.write_bytes(b"".join(lines(happenings, HEADER)))
    found, notes = read(path)
    assert notes == []
    return found


TEXTS = st.text(st.characters(codec="utf-8"), max_size=8) | st.sampled_from(["\0\x7f\x1b", "\u2028\u202e", "🎉"])
TIMES = st.integers(0, 2**63 - 1)
COUNTS = st.integers(0, 2**40)
MARKS = st.sampled_from(
    [Mark.NONE, Mark.INJECTED, Mark.DROPPED, Mark.CHANGED | Mark.REDACTED, Mark.INJECTED | Mark.DROPPED | Mark.REDACTED]
)
WHY = st.builds(Undecoded, st.sampled_from(["not-json", "bad-etf"]), st.just("it is not JSON"), st.none() | st.just(7))
HEADERS = st.dictionaries(st.sampled_from(["user-agent", "origin", "response-server", REACHED_AT]), TEXTS)
OPENED = st.builds(
    Opened,
    st.just(1),
    TIMES,
    st.sampled_from(Plane),
    TEXTS | st.just("wss://gateway.discord.gg/?v=10"),
    st.none() | st.just("[::1]:50000"),
    st.none() | st.integers(1, 999),
    st.none(),
    HEADERS,
    st.booleans(),
    st.builds(Knows, st.integers(0, 31)),
)
WITHHELD = st.builds(withheld, WHY, st.integers(0, 9999))
ONES = st.just(1)
SAID = st.one_of(
    st.builds(
        Frame,
        ONES,
        TIMES,
        st.booleans(),
        st.booleans(),
        st.binary(max_size=30),
        MARKS,
        st.none() | st.binary(max_size=5),
    ),
    st.builds(Frame, ONES, TIMES, st.booleans(), st.booleans(), WITHHELD, st.just(Mark.WITHHELD | Mark.REDACTED)),
    st.builds(Control, ONES, TIMES, st.booleans(), st.sampled_from(["ping", "pong"]), st.binary(max_size=5)),
    st.builds(Gap, ONES, TIMES, TIMES, TIMES, COUNTS, COUNTS, st.sampled_from(["disk", "queue", "packets", "x"])),
    st.builds(
        Closed,
        ONES,
        TIMES,
        st.none() | st.integers(0, 65535),
        TEXTS,
        st.sampled_from(["client", "server", "proxy", None]),
        st.sampled_from([Mark.NONE, Mark.TOLD_1000, Mark.FORBIDDEN]),
    ),
)


@given(OPENED, st.lists(SAID, max_size=10))
def test_whatever_happened_is_read_as_it_was_written(tmp_path: Path, opened: Opened, said: list[Happening]) -> None:
    assert again(tmp_path, [opened, *said]) == [opened, *said]


def test_a_refusal_comes_back(tmp_path: Path) -> None:
    refused = Opened(1, NOON, Plane.VOICE, "wss://x.discord.media/", None, None, "TLS failed: \x1b[2J")
    assert again(tmp_path, [refused]) == [refused]


@pytest.mark.parametrize(("encoding", "compression"), DIALECTS)
def test_every_dialect_comes_back(tmp_path: Path, encoding: str, compression: str) -> None:
    happenings = usual(encoding, compression).happenings
    assert again(tmp_path, happenings) == happenings


def test_every_plane_comes_back(tmp_path: Path) -> None:
    for talk in talks():
        happenings = [each for each in talk if each.connection in {each.connection for each in talk if is_open(each)}]
        numbers = list(dict.fromkeys(each.connection for each in happenings))
        counted = [replace(each, connection=numbers.index(each.connection) + 1) for each in happenings]
        assert again(tmp_path, counted) == counted


def is_open(happening: Happening) -> bool:
    return isinstance(happening, Opened)


def test_what_the_other_end_said_before_it_knew_of_the_close_stays_on_its_connection(tmp_path: Path) -> None:
    happenings = Conversation().opens().server(HELLO).closes(1000, by="client").server(ACK).happenings
    assert again(tmp_path, happenings) == happenings


def test_a_line_does_nothing_to_a_terminal(tmp_path: Path) -> None:
    active = "".join(map(chr, range(256))) + "\u2028\u202e\U000e0001"
    talk = Conversation().opens(headers={"user-agent": active}).frame(active.encode(), is_text=True).closes(1, active)
    for written in lines(talk.happenings, HEADER, [active]):
        assert written.endswith(b"\n")
        assert written[:-1].decode("ascii").isprintable()


@pytest.mark.parametrize(
    ("at_ns", "text"),
    [
        (NOON, "2026-01-31T12:00:00.000000Z"),
        (NOON + 123_456_000, "2026-01-31T12:00:00.123456Z"),
        (NOON + 1, "2026-01-31T12:00:00.000000001Z"),
        (0, "1970-01-01T00:00:00.000000Z"),
        (2**63 - 1, "2262-04-11T23:47:16.854775807Z"),
    ],
)
def test_a_time_has_the_digits_that_it_needs(at_ns: int, text: str) -> None:
    assert time_of(at_ns) == text


def test_notes_come_back_bounded(tmp_path: Path) -> None:
    path = tmp_path / "bot.frames.jsonl"
    path.write_bytes(b"".join(lines(usual().happenings, HEADER, ["the first", "x" * 5000, *["more"] * 500])))
    _, notes = read(path)
    assert notes[:2] == ["the first", "x" * 1000]
    assert len(notes) == 100


def test_a_mark_of_what_was_withheld_needs_a_reason(tmp_path: Path) -> None:
    """Else bytes that anyone wrote would be taken for one of ours."""
    path = tmp_path / "bot.frames.jsonl"
    frame = Frame(1, NOON, True, True, b"no reason at all", Mark.WITHHELD)
    path.write_bytes(b"".join(lines([Opened(1, NOON, Plane.GATEWAY, ""), frame], HEADER)))
    found, _ = read(path)
    assert isinstance(found[1], Frame)
    assert json.loads(found[1].data) == {"reason": "corrupt", "text": "", "offset": None, "bytes": 0}


def converted(path: Path, target: Path) -> Path:
    merge([Input(path)], target, default(), made_by="test")
    return target


def content(path: Path) -> list[list[tuple[object, ...]]]:
    with closing(Reader(path)) as reader:
        tables = "connection", "frame", "event", "finding", "verdict", "name"
        found = [reader.db.execute(f"select * from {table} order by 1").fetchall() for table in tables]
        return [*found, [tuple(reader.files().items())], [tuple(reader.notes())]]


def exported(path: Path, target: Path) -> Path:
    with closing(Reader(path)) as reader:
        source = Input(path)
        header = header_of("a test", time_of(NOON), reader.recordings())
        target.write_bytes(b"".join(lines(source.happenings(), header, reader.notes())))
        source.close()
    return target


@pytest.mark.parametrize("path", SAMPLES, ids=lambda path: path.stem)
def test_a_sample_makes_the_same_capture_after_a_round_trip(path: Path, tmp_path: Path) -> None:
    first = converted(path, tmp_path / "first.gwcap")
    frames = exported(first, tmp_path / "frames.jsonl")
    assert content(converted(frames, tmp_path / "second.gwcap")) == content(first)


def test_recordings_that_were_read_together_stay_apart(tmp_path: Path) -> None:
    paths = [path for path in SAMPLES if path.stem in ("voice", "voice-kicked", "identify-storm")]
    first = tmp_path / "first.gwcap"
    merge([Input(path) for path in paths], first, default(), made_by="test")
    frames = exported(first, tmp_path / "frames.jsonl")
    second = content(converted(frames, tmp_path / "second.gwcap"))
    assert second == content(first)
    assert len(set(dict(second[-2][0]).values())) == 3


def test_a_second_header_counts_recordings_on(tmp_path: Path) -> None:
    path = tmp_path / "both.frames.jsonl"
    run = [header_of("a test", time_of(NOON), ["a", "b"])]
    opens = [
        {"kind": "open", "connection": 1, "at": time_of(NOON), "plane": "gateway", "url": "", "recording": number}
        for number in (0, 1)
    ]
    path.write_bytes(b"".join(map(line, [*run, *opens, *run, opens[1], HEADER, opens[0]])))
    source = FramesFile(path)
    assert [each.recording for each in source if isinstance(each, Opened)] == [0, 1, 3, 4]
    assert source.recordings == ["a", "b", "a", "b", "both.frames.jsonl"]
