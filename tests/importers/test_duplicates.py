"""A connection that several files recorded is shown once, and what they differ in is said."""

import json
from collections.abc import Sequence
from contextlib import closing
from dataclasses import replace
from hashlib import sha256
from pathlib import Path

import pytest

from inspector.importers import sketch
from inspector.importers.duplicates import find
from inspector.importers.frames.writing import header_of, lines, time_of
from inspector.importers.hints import NO_HINTS, Hints
from inspector.importers.merge import Input, Merged, merge
from inspector.model import Closed, Frame, Happening, Kind, Knows, Mark, Opened, StartLimit
from inspector.protocol.registry import default
from inspector.store.reader import Reader
from inspector.store.writer import Writer
from tests.conversation import ACK, HEARTBEAT, HELLO, NOON, Conversation, dispatch, identify, message, ready, resume
from tests.packets import pcapng
from tests.voice_call import whole_call
from tests.wired import Wired

pytestmark = pytest.mark.compat

BOTH = "1 connection is in both {} and {}, and shown as in {}; --duplicates shows both"
SECOND = 1_000_000_000
LOG = Knows.TIMES | Knows.BOTH_SIDES
"""What a library's log knows."""


def talk(compression: str = "zlib-stream", *, session: str = "5e" * 16, connection: int = 1) -> Conversation:
    made = Conversation(compression=compression, connection=connection).opens().server(HELLO).client(identify())
    made.server(ready(session))
    for number in range(2, 30):
        # As different from each other as what people say.
        made.server(message(sha256(bytes([number])).hexdigest(), number))
    return made.client(HEARTBEAT).server(ACK).closes(1000)


def as_frames(path: Path, happenings: Sequence[Happening]) -> Path:
    path.write_bytes(b"".join(lines(happenings, header_of("test", time_of(NOON)))))
    return path


def as_capture(path: Path, happenings: Sequence[Happening]) -> Path:
    writer = Writer(path, default(), made_by="test")
    writer.write(happenings)
    writer.finish()
    return path


def later(happenings: Sequence[Happening], ns: int) -> list[Happening]:
    """The same by a clock that is ahead."""
    return [replace(each, at_ns=each.at_ns + ns) for each in happenings]


def logged(made: Conversation) -> list[Happening]:
    """The same connection as a library that writes down payloads has it."""
    [opened, *_] = made.happenings
    assert isinstance(opened, Opened)
    return [replace(opened, knows=LOG), *(each for each in made.happenings[1:] if isinstance(each, Frame))]


def merged(folder: Path, *paths: Path, hints: Hints = NO_HINTS) -> Merged:
    target = folder / "merged.gwcap"
    return merge([Input(path, hints) for path in paths], target, default(), made_by="test")


def test_a_connection_in_two_files_is_shown_once(tmp_path: Path) -> None:
    made = talk().happenings
    files = as_capture(tmp_path / "proxy.gwcap", made), as_frames(tmp_path / "wire.frames.jsonl", made)
    found = merged(tmp_path, *files)
    assert (found.connections, found.notes) == (1, (BOTH.format("proxy.gwcap", "wire.frames.jsonl", "proxy.gwcap"),))
    with closing(Reader(tmp_path / "merged.gwcap")) as reader:
        assert reader.last() == len(made)
        assert reader.notes() == list(found.notes)


def test_both_are_shown_where_that_is_wanted(tmp_path: Path) -> None:
    made = talk().happenings
    files = as_frames(tmp_path / "1.frames.jsonl", made), as_frames(tmp_path / "2.frames.jsonl", made)
    assert merged(tmp_path, *files, hints=Hints(duplicates=True)) == Merged(2 * len(made), 2, ())


def test_the_file_that_knows_more_is_shown(tmp_path: Path) -> None:
    made = talk().happenings
    [opened, *rest] = made
    assert isinstance(opened, Opened)
    less = as_frames(tmp_path / "har.frames.jsonl", [replace(opened, knows=Knows.ALL & ~Knows.PINGS), *rest])
    late = as_frames(tmp_path / "late.frames.jsonl", [replace(opened, joined_late=True), *rest[3:]])
    most = as_frames(tmp_path / "most.frames.jsonl", made)
    assert merged(tmp_path, less, late, most).notes[:2] == (
        BOTH.format("most.frames.jsonl", "har.frames.jsonl", "most.frames.jsonl"),
        BOTH.format("most.frames.jsonl", "late.frames.jsonl", "most.frames.jsonl"),
    )


def test_what_only_one_has_is_said(tmp_path: Path) -> None:
    made = talk().happenings
    missing = [each for each in made if not (isinstance(each, Frame) and each.from_client and b'"op": 1' in each.data)]
    assert len(missing) == len(made) - 1
    files = as_frames(tmp_path / "a.frames.jsonl", missing), as_frames(tmp_path / "b.frames.jsonl", made)
    notes = merged(tmp_path, *files).notes
    assert len(notes) == 2
    assert notes[1].startswith("connection 1: 1 message (the first from the client at ")
    assert notes[1].endswith(") only in b.frames.jsonl")


def test_a_close_that_a_proxy_changed_is_said(tmp_path: Path) -> None:
    made = talk().happenings
    [*before, closed] = made
    assert isinstance(closed, Closed)
    told = [*before, replace(closed, code=1006, by="server")]
    files = as_frames(tmp_path / "a.frames.jsonl", made), as_frames(tmp_path / "b.frames.jsonl", told)
    assert merged(tmp_path, *files).notes[1:] == (
        "connection 1: closed with 1000 by the client in a.frames.jsonl, with 1006 by the server in b.frames.jsonl",
    )


def test_clocks_of_two_machines_may_differ(tmp_path: Path) -> None:
    made = talk().happenings
    behind = as_frames(tmp_path / "behind.frames.jsonl", later(made, -42 * SECOND))
    files = as_frames(tmp_path / "a.frames.jsonl", made), behind
    assert merged(tmp_path, *files).notes == (
        BOTH.format("a.frames.jsonl", "behind.frames.jsonl", "a.frames.jsonl"),
        "connection 1: the clock of behind.frames.jsonl is 42 s behind that of a.frames.jsonl",
    )


def test_what_was_said_on_another_day_is_something_else(tmp_path: Path) -> None:
    made = talk().happenings
    again = as_frames(tmp_path / "again.frames.jsonl", later(made, 86_400 * SECOND))
    assert merged(tmp_path, as_frames(tmp_path / "a.frames.jsonl", made), again).connections == 2


def test_what_was_said_at_another_pace_is_something_else(tmp_path: Path) -> None:
    made = talk().happenings
    slow = [replace(each, at_ns=NOON + 500 * (each.at_ns - NOON)) for each in made]
    files = as_frames(tmp_path / "a.frames.jsonl", made), as_frames(tmp_path / "slow.frames.jsonl", slow)
    assert merged(tmp_path, *files).connections == 2


def test_two_bots_with_the_same_first_words_are_two(tmp_path: Path) -> None:
    one, other = talk("none"), talk("none", session="0d" * 16)
    files = (
        as_frames(tmp_path / "a.frames.jsonl", one.happenings[:5]),
        as_frames(tmp_path / "b.frames.jsonl", other.happenings[:5]),
    )
    assert merged(tmp_path, *files).connections == 2


def failed_login(at_ns: int, *, token: str = "invented-token", connection: int = 2) -> list[Happening]:
    made = Conversation(connection=connection, at_ns=at_ns).opens().server(HELLO)
    return made.client(identify(token=token)).closes(4004, by="server").happenings


def test_what_has_nothing_rare_is_the_same_at_the_same_time(tmp_path: Path) -> None:
    """On its own nothing tells a login that failed from another try."""
    first = as_capture(tmp_path / "a.gwcap", failed_login(NOON))
    for ns, connections in ((20_000_000, 1), (SECOND, 2)):
        assert merged(tmp_path, first, as_frames(tmp_path / "b", failed_login(NOON + ns))).connections == connections


def test_two_bots_that_fail_at_the_same_time_are_two(tmp_path: Path) -> None:
    files = [
        as_capture(tmp_path / name, failed_login(NOON, token=f"{name}-invented-token-of-nobody")) for name in ("a", "b")
    ]
    assert merged(tmp_path, *files).connections == 2


def test_clocks_are_compared_by_what_else_is_in_both(tmp_path: Path) -> None:
    made = [*talk().happenings]
    for number in range(5):
        made += failed_login(NOON + SECOND + number * SECOND // 2, connection=2 + number)
    files = (
        as_frames(tmp_path / "a.frames.jsonl", made),
        as_frames(tmp_path / "b.frames.jsonl", later(made, 9 * SECOND)),
    )
    assert merged(tmp_path, *files).connections == 6


def test_masked_secrets_hide_nothing(tmp_path: Path) -> None:
    """A recorder of ours masks READY of an uncompressed connection, and what the client says of its token."""
    made = talk("none").happenings
    files = as_capture(tmp_path / "masked.gwcap", made), as_frames(tmp_path / "plain.frames.jsonl", made)
    with closing(Reader(files[0])) as reader:
        marks = reader.db.execute("select count(*) from frame where marks & ?", (int(Mark.REDACTED),)).fetchone()
    assert marks[0] > 0
    assert len(merged(tmp_path, *files).notes) == 1


@pytest.mark.parametrize(
    "made", [talk().happenings, talk("none").happenings, whole_call()], ids=["stream", "plain", "call"]
)
def test_a_proxy_and_its_network_see_the_same(tmp_path: Path, made: list[Happening]) -> None:
    """Voice gateways, too. Packets pass a little earlier or later than the proxy gets them."""
    wired = Wired(later(made, 3_000_000))
    (tmp_path / "wire.pcapng").write_bytes(pcapng(wired.packets, log=wired.log))
    found = merged(tmp_path, as_capture(tmp_path / "proxy.gwcap", made), tmp_path / "wire.pcapng")
    assert found.connections == len({each.connection for each in made})
    assert not any("only in" in note for note in found.notes)


@pytest.mark.parametrize("compression", ["none", "zlib-stream", "zstd-stream"])
def test_a_log_and_the_wire_are_known_by_what_was_said(tmp_path: Path, compression: str) -> None:
    wire, log = talk(compression).happenings, logged(talk("none"))
    files = as_frames(tmp_path / "bot.log.frames.jsonl", log), as_frames(tmp_path / "wire.frames.jsonl", wire)
    assert merged(tmp_path, *files).notes == (
        BOTH.format("wire.frames.jsonl", "bot.log.frames.jsonl", "wire.frames.jsonl"),
    )


def test_what_a_log_does_not_say_is_listed_by_kind(tmp_path: Path) -> None:
    log = [each for each in logged(talk("none")) if not (isinstance(each, Frame) and b'"op": 11' in each.data)]
    files = as_frames(tmp_path / "log.frames.jsonl", log), as_frames(tmp_path / "wire.frames.jsonl", talk().happenings)
    assert merged(tmp_path, *files).notes[1:] == (
        "connection 1: 1 message, Heartbeat ACK (1), only in wire.frames.jsonl",
    )


@pytest.mark.parametrize("some", [False, True], ids=["none", "some"])
def test_a_log_without_the_client_lacks_nothing_of_it(tmp_path: Path, some: bool) -> None:
    [opened, *rest] = logged(talk("none"))
    assert isinstance(opened, Opened)
    said = [each for each in rest if isinstance(each, Frame)]
    log = [
        replace(opened, knows=Knows.TIMES),
        *(each for each in said if not each.from_client or (some and b'"op": 1' in each.data)),
    ]
    files = as_frames(tmp_path / "log.frames.jsonl", log), as_frames(tmp_path / "wire.frames.jsonl", talk().happenings)
    assert len(merged(tmp_path, *files).notes) == 1


def resumed(compression: str) -> Conversation:
    made = Conversation(compression=compression).opens().server(HELLO).client(resume())
    for number in range(4, 20):
        made.server(message(sha256(bytes([number])).hexdigest(), number))
    return made.server(dispatch("RESUMED", {"_trace": ["invented"]}, 20))


@pytest.mark.parametrize("skipped", [0, 6], ids=["whole", "late"])
def test_a_log_that_names_no_session_is_known_by_what_the_server_said(tmp_path: Path, skipped: int) -> None:
    [opened, *rest] = logged(resumed("none"))
    assert isinstance(opened, Opened)
    received = [each for each in rest if isinstance(each, Frame) and not each.from_client][skipped:]
    log = [replace(opened, knows=Knows.TIMES, at_ns=received[0].at_ns), *received]
    wire = as_frames(tmp_path / "wire.frames.jsonl", resumed("zlib-stream").happenings)
    found = merged(tmp_path, as_frames(tmp_path / "log.frames.jsonl", log), wire)
    assert found.notes[0] == BOTH.format("wire.frames.jsonl", "log.frames.jsonl", "wire.frames.jsonl")


def test_a_log_of_another_shard_is_another_connection(tmp_path: Path) -> None:
    [opened, *rest] = logged(resumed("none"))
    assert isinstance(opened, Opened)
    other = [replace(each, data=each.data.replace(b'"s": ', b'"s": 1')) for each in rest if isinstance(each, Frame)]
    wire = as_frames(tmp_path / "wire.frames.jsonl", resumed("zlib-stream").happenings)
    assert merged(tmp_path, as_frames(tmp_path / "log.frames.jsonl", [opened, *other]), wire).connections == 2


def test_a_log_in_another_time_zone_is_known(tmp_path: Path) -> None:
    log = later(logged(talk("none")), -9 * 3600 * SECOND)
    files = as_frames(tmp_path / "log.frames.jsonl", log), as_frames(tmp_path / "wire.frames.jsonl", talk().happenings)
    assert merged(tmp_path, *files).connections == 1


def test_each_connection_of_a_session_finds_its_own(tmp_path: Path) -> None:
    def resumed(number: int, at_ns: int) -> Conversation:
        made = Conversation(compression="zlib-stream", connection=number, at_ns=at_ns).opens().server(HELLO)
        return made.client(resume()).server(dispatch("RESUMED", {"_trace": ["a"]}, number)).closes(1006, by="server")

    made = [*talk().happenings, *resumed(2, NOON + SECOND).happenings, *resumed(3, NOON + 2 * SECOND).happenings]
    files = as_frames(tmp_path / "a.frames.jsonl", made), as_capture(tmp_path / "b.gwcap", made)
    assert merged(tmp_path, *files).connections == 3


def test_of_long_connections_the_beginning_is_compared(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sketch, "MOST", 10)
    monkeypatch.setattr("inspector.importers.duplicates.MOST", 10)
    made = talk().happenings
    files = as_frames(tmp_path / "a.frames.jsonl", made), as_frames(tmp_path / "b.frames.jsonl", made)
    notes = merged(tmp_path, *files).notes
    assert notes[1:] == ("connection 1: only the first 10 messages of each side were compared",)


def test_a_file_that_changed_meanwhile_is_shown_whole() -> None:
    """Its connections may have other numbers by then."""
    made = talk().happenings
    found = find(2, lambda place: made, default())
    assert list(found.without(1, made)) == []
    found = find(2, lambda place: made, default())
    assert list(found.without(1, later(made, 1))) == later(made, 1)


def test_what_has_no_connection_does_not_count_as_one(tmp_path: Path) -> None:
    made = talk().happenings
    limit = StartLimit(NOON, None, 9, 1000, 23, 5_000_000, 16)
    one = as_frames(tmp_path / "a.frames.jsonl", [limit, *made])
    notes = merged(tmp_path, one, as_frames(tmp_path / "b.frames.jsonl", [limit, *made[:-1]])).notes
    assert notes == (BOTH.format("a.frames.jsonl", "b.frames.jsonl", "a.frames.jsonl"),)


def test_rows_are_those_of_the_file_alone(tmp_path: Path) -> None:
    made = talk().happenings
    one = as_frames(tmp_path / "a.frames.jsonl", made)
    merged(tmp_path, one, as_frames(tmp_path / "b.frames.jsonl", made))
    merge([Input(one)], tmp_path / "alone.gwcap", default(), made_by="test")
    with closing(Reader(tmp_path / "merged.gwcap")) as both, closing(Reader(tmp_path / "alone.gwcap")) as alone:
        assert list(both.all_events()) == list(alone.all_events())
        assert [event.kind for event in both.events()].count(Kind.OPEN) == 1
        assert json.loads(both.meta()["files"]) == ["a.frames.jsonl"]
