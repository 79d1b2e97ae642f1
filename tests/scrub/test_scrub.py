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
