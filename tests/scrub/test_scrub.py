"""A scrubbed capture tells what the other told, and holds nothing of whom it was about."""

import sqlite3
from contextlib import closing
from pathlib import Path

import pytest

from inspector.errors import CaptureError, UsageError
from inspector.model import Opened
from inspector.protocol.registry import default
from inspector.protocol.snowflake import when
from inspector.scrub import making
from inspector.scrub.kinds import Kind
from inspector.scrub.making import Key, LeakError, scrub
from inspector.scrub.pseudonyms import DAY_MS
from inspector.scrub.search import Search
from inspector.store.chunks import unpack
from inspector.store.reader import Reader
from tests.canaries import Detector, canaries, recorded, streamed
from tests.conversation import DIALECTS, HELLO, Conversation, dispatch, identify, ready
from tests.generated import FAULTS, Fault, talk
from tests.scrub.story import rewritten, sizes, story, written

SAMPLES = sorted((Path(__file__).parents[2] / "sample_captures").glob("*.gwcap"))
KEY = Key(bytes(range(32)))


def everything(path: Path) -> bytes:
    """Return all that is in a capture: its file, what its cells say, what its payloads decode to."""
    found = [path.read_bytes()]
    with closing(sqlite3.connect(path)) as db:
        for (table,) in db.execute("select name from sqlite_master where type = 'table'").fetchall():
            for row in db.execute(f"select * from {table}"):
                found += [value if isinstance(value, bytes) else str(value).encode() for value in row]
        for (data,) in db.execute("select data from payload_chunk"):
            found += unpack(data).values()
    return b"\n".join(found)


@pytest.mark.parametrize("sample", SAMPLES, ids=lambda path: path.stem)
def test_a_sample_tells_the_same_afterwards(sample: Path, tmp_path: Path) -> None:
    before = rewritten(sample, tmp_path / "before.gwcap")
    scrub(before, tmp_path / "after.gwcap", default(), key=KEY)
    assert story(tmp_path / "after.gwcap") == story(before)
    for after, size in zip(sizes(tmp_path / "after.gwcap"), sizes(before), strict=True):
        assert 0.9 * size <= after <= 1.1 * size


@pytest.mark.parametrize("first", range(0, 24, 8))
def test_a_healthy_conversation_tells_the_same_afterwards(first: int, tmp_path: Path) -> None:
    for seed in range(first, first + 8):
        before = written(tmp_path / f"{seed}.gwcap", talk(seed).happenings)
        scrub(before, tmp_path / f"{seed}-after.gwcap", default(), key=KEY)
        assert story(tmp_path / f"{seed}-after.gwcap") == story(before), seed


@pytest.mark.parametrize("fault", FAULTS, ids=lambda fault: fault.name)
def test_a_conversation_with_a_fault_tells_the_same_afterwards(fault: Fault, tmp_path: Path) -> None:
    before = written(tmp_path / "before.gwcap", talk(1, fault).happenings)
    scrub(before, tmp_path / "after.gwcap", default(), key=KEY)
    assert story(tmp_path / "after.gwcap") == story(before)


@pytest.mark.parametrize("streams", [False, True], ids=["alone", "in-streams"])
def test_no_canary_is_in_it(streams: bool, tmp_path: Path) -> None:
    sent, received = canaries("sent"), canaries("received")
    happenings = streamed(received) if streams else recorded(sent, received)
    before = written(tmp_path / "before.gwcap", happenings, keep_secrets=True)
    detector = Detector([*sent, *received])
    assert len(detector.leaks(everything(before))) > 20
    scrub(before, tmp_path / "after.gwcap", default(), key=KEY)
    assert detector.leaks(everything(tmp_path / "after.gwcap")) == []
    assert story(tmp_path / "after.gwcap")[1] == story(before)[1]


def talk_about(path: Path, d: object, **more: object) -> Path:
    """Return a capture of a conversation with one message."""
    talk = Conversation(*DIALECTS[0]).opens().server(HELLO).client(identify()).server(ready())
    return written(path, talk.server(dispatch("MESSAGE_CREATE", d, 2)).closes(1000, "").happenings, **more)


def after(before: Path, **more: object) -> str:
    """Return what the payloads of a capture say once it is scrubbed."""
    target = before.with_name("after.gwcap")
    scrub(before, target, default(), key=KEY, **more)  # type: ignore[arg-type]
    with closing(Reader(target, reveal=True)) as reader:
        return b"\n".join(reader.payload(number) or b"" for number in range(1, reader.last() + 1)).decode()


def test_a_text_that_no_table_speaks_of_is_replaced(tmp_path: Path) -> None:
    said = after(talk_about(tmp_path / "a.gwcap", {"quite_new": "a secret of mine", "odd key of mine": 1}))
    assert "quite_new" in said
    assert "of mine" not in said


def test_what_is_to_be_kept_stays(tmp_path: Path) -> None:
    said = after(talk_about(tmp_path / "a.gwcap", {"content": "keep this text", "nick": "Wanda"}), keep=[Kind.TEXT])
    assert "keep this text" in said
    assert "Wanda" not in said


def test_with_a_shift_ids_and_times_and_messages_move_together(tmp_path: Path) -> None:
    before = talk_about(tmp_path / "a.gwcap", {"id": "1180000000000000001", "timestamp": "2026-01-31T12:00:00.5+00:00"})
    said = after(before, shift_ms=-3_600_000)
    assert "2026-01-31T11:00:00.5+00:00" in said
    assert str(1180000000000000001 - (3_600_000 << 22)) in said
    with closing(Reader(before)) as one, closing(Reader(tmp_path / "after.gwcap")) as other:
        assert one.span()[0] - other.span()[0] == 3_600_000_000_000


def test_names_of_files_do_not_come_along(tmp_path: Path) -> None:
    from inspector.importers.merge import Input, merge

    first = talk_about(tmp_path / "wandas-bot.gwcap", {"content": "x"})
    second = talk_about(tmp_path / "other-of-wanda.gwcap", {"content": "y"})
    merge([Input(first), Input(second)], tmp_path / "both.gwcap", default(), made_by="test")
    scrub(tmp_path / "both.gwcap", tmp_path / "after.gwcap", default())
    assert b"wanda" not in everything(tmp_path / "after.gwcap")
    with closing(Reader(tmp_path / "after.gwcap")) as reader:
        assert sorted(set(reader.files().values())) == ["recording 1", "recording 2"]


def test_nothing_is_written_where_something_is_left(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    before = talk_about(tmp_path / "a.gwcap", {"content": "Wanda's 7 secrets"})
    monkeypatch.setattr(making.Recoder, "feed", lambda recoder, happening: iter([happening]))
    monkeypatch.setattr(making, "Search", lambda taken, vocabulary: Search({"texts": {"Wanda's 7 secrets"}}, ()))
    (tmp_path / "after.gwcap").write_bytes(b"as it was")
    with pytest.raises(LeakError, match="texts"):
        scrub(before, tmp_path / "after.gwcap", default())
    assert (tmp_path / "after.gwcap").read_bytes() == b"as it was"
    assert sorted(path.name for path in tmp_path.iterdir()) == ["a.gwcap", "after.gwcap"]


def test_two_captures_with_one_key_stay_comparable(tmp_path: Path) -> None:
    said = [
        after(talk_about(tmp_path / name, {"author": {"id": "1180000000000000777", "username": "wanda.7"}}))
        for name in ("a.gwcap", "b.gwcap")
    ]
    assert said[0] == said[1]


def test_a_key_is_kept_for_its_owner_alone_and_read_again(tmp_path: Path) -> None:
    key = Key.load(tmp_path / "key")
    key.save(tmp_path / "key")
    assert (tmp_path / "key").stat().st_mode & 0o777 == 0o600
    assert Key.load(tmp_path / "key") == key
    (tmp_path / "key").write_text('{"scrub_key": 5}')
    with pytest.raises(UsageError, match="not a key"):
        Key.load(tmp_path / "key")
    with pytest.raises(CaptureError, match="cannot read the key"):
        Key.load(tmp_path)


def test_guilds_stay_on_their_shard(tmp_path: Path) -> None:
    talk = Conversation(*DIALECTS[0]).opens().server(HELLO)
    talk.client({"op": 2, "d": {**identify()["d"], "shard": [3, 7]}}).server(ready())
    guilds = [1180000000000000001 + (at << 22) * 7 for at in range(0, 90, 13)]
    for at, guild in enumerate(guilds):
        talk.server(dispatch("GUILD_CREATE", {"id": str(guild), "name": f"Guild {at}"}, at + 2))
    written(tmp_path / "a.gwcap", talk.happenings)
    scrub(tmp_path / "a.gwcap", tmp_path / "b.gwcap", default(), key=KEY)
    with closing(Reader(tmp_path / "b.gwcap")) as reader:
        made = [event.guild_id for event in reader.all_events() if event.event == "GUILD_CREATE"]
    assert [(each >> 22) % 7 for each in made if each] == [(each >> 22) % 7 for each in guilds]
    assert [when(each) // DAY_MS for each in made if each] == [when(each) // DAY_MS for each in guilds]
    assert not set(made) & set(guilds)


def test_it_says_of_itself_that_it_is_scrubbed(tmp_path: Path) -> None:
    from inspector.report.rows import notes_of

    before = talk_about(tmp_path / "a.gwcap", {"content": "x"})
    scrub(before, tmp_path / "b.gwcap", default(), keep=[Kind.TEXT, Kind.URL])
    with closing(Reader(tmp_path / "b.gwcap")) as reader:
        assert notes_of(reader) == [
            "this capture is scrubbed: names, texts and ids in it are invented, but for texts and urls"
        ]
        assert [isinstance(each.opened, Opened) for each in reader.connections()] == [True]
