"""The scribe in a process of its own does what it does in ours, and says so across the pipes."""

import logging
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import closing
from dataclasses import replace
from pathlib import Path

import pytest

from inspector.errors import CaptureError
from inspector.model import Closed, Control, Event, Frame, Happening, Kind, Mark, Opened, Plane
from inspector.protocol.registry import default
from inspector.proxy.remote import RemoteScribe
from inspector.proxy.scribe import TAKE, Amendment, Scribe
from inspector.store.lock import CaptureInUse
from inspector.store.reader import Reader, stored_happenings
from tests.conversation import ACK, HEARTBEAT, HELLO, Conversation, identify, ready
from tests.diagnose.login_talk import told
from tests.proxy.scribes import in_this_process

pytestmark = pytest.mark.compat

# Not in the tables of names: only its Hello tells that it is a gateway.
OWN_URL = "wss://chat.example.org/?v=10&encoding=json"


@pytest.fixture
def scribe(tmp_path: Path) -> Iterator[RemoteScribe]:
    scribe = RemoteScribe(tmp_path / "remote.gwcap")
    scribe.start()
    yield scribe
    if scribe._process.poll() is None:
        scribe.stop()


def tell(scribe: Scribe | RemoteScribe, happenings: list[Happening], *, certain: bool = True) -> None:
    stream = scribe.begin("gateway.discord.gg", certain=certain)
    for happening in happenings:
        assert scribe.put(stream, happening)


def talk() -> list[Happening]:
    said = Conversation("json", "zlib-stream").opens().server(HELLO).client(identify()).server(ready())
    said = said.client(HEARTBEAT).server(ACK)
    last = said.happenings[-1].at_ns
    return [*said.happenings, Control(1, last + 1, True, "ping", b"\x00"), Closed(1, last + 2, 4000, "bye", "client")]


def stored(path: Path) -> list[Happening]:
    with closing(Reader(path)) as reader:
        assert "finished_at" in reader.meta()
        return [each for batch in stored_happenings(reader.db) for each in batch]


def until(condition: Callable[[], object]) -> None:
    deadline = time.monotonic() + 20
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.01)


def test_what_is_written_is_what_a_scribe_of_ours_writes(scribe: RemoteScribe, tmp_path: Path) -> None:
    ours = in_this_process(tmp_path / "ours.gwcap", keep_secrets=False)
    ours.start()
    refused = Opened(0, 1, Plane.GATEWAY, "wss://gateway.discord.gg/", status=403, refusal="HTTP 403 Forbidden")
    for each in (scribe, ours):
        tell(each, talk())
        each.refuse(refused)
        each.stop()
    assert stored(tmp_path / "remote.gwcap") == stored(tmp_path / "ours.gwcap")
    assert (tmp_path / "remote.gwcap").stat().st_mode & 0o777 == 0o600


def test_what_became_of_a_message_reaches_it(scribe: RemoteScribe, tmp_path: Path) -> None:
    happenings = talk()
    stream = scribe.begin("gateway.discord.gg", certain=True)
    for happening in happenings:
        scribe.put(stream, happening)
        if isinstance(happening, Frame):
            scribe.put(stream, Amendment(Mark.DROPPED, None))
    scribe.stop()
    frames = [each for each in stored(tmp_path / "remote.gwcap") if isinstance(each, Frame)]
    assert all(Mark.DROPPED in frame.marks for frame in frames)


def test_the_number_of_a_connection_comes_back(scribe: RemoteScribe) -> None:
    certain = scribe.begin("gateway.discord.gg", certain=True)
    until(lambda: certain.connection == 1)
    guessed = scribe.begin("chat.example.org", certain=False)
    scribe.put(guessed, Opened(0, 1, Plane.GATEWAY, OWN_URL))
    scribe.put(guessed, Frame(0, 2, False, True, b'{"op":10,"d":{"heartbeat_interval":41250}}'))
    until(lambda: guessed.connection == 2)
    other = scribe.begin("chat.example.org", certain=False)
    scribe.put(other, Opened(0, 1, Plane.GATEWAY, OWN_URL))
    scribe.put(other, Frame(0, 2, False, True, b'{"hello":"world"}'))
    until(lambda: other.refused)
    assert other.connection == 0


def test_closes_and_what_there_is_to_say_come_back(scribe: RemoteScribe, caplog: pytest.LogCaptureFixture) -> None:
    closes: list[Event] = []
    scribe.on_close = closes.append
    with caplog.at_level(logging.INFO, "gwinspect"):
        tell(scribe, talk())
        until(lambda: closes and "#1 closed by client" in caplog.text)
    assert (closes[0].kind, closes[0].connection, closes[0].closed.code) == (Kind.CLOSE, 1, 4000)


def test_addresses_of_media_come_back(scribe: RemoteScribe) -> None:
    ready_of_voice = b'{"op":2,"d":{"ssrc":1,"ip":"203.0.113.5","port":50001,"modes":[]}}'
    stream = scribe.begin("a.discord.media", certain=True)
    scribe.put(stream, Opened(0, 1, Plane.VOICE, "wss://a.discord.media/?v=8"))
    scribe.put(stream, Frame(0, 2, False, True, ready_of_voice))
    until(lambda: ("203.0.113.5", 50001) in scribe.media)


def test_a_capture_that_cannot_be_written_is_said_at_once(scribe: RemoteScribe, tmp_path: Path) -> None:
    with pytest.raises(CaptureInUse, match=r"remote\.gwcap"):
        RemoteScribe(tmp_path / "remote.gwcap")
    with pytest.raises(CaptureError, match="is a folder"):
        RemoteScribe(tmp_path)


def test_signals_that_end_the_proxy_do_not_end_the_recording(scribe: RemoteScribe, tmp_path: Path) -> None:
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        os.kill(scribe._process.pid, number)
    tell(scribe, talk())
    scribe.stop()
    assert len(stored(tmp_path / "remote.gwcap")) == len(talk())


def test_a_process_that_is_gone_is_said(scribe: RemoteScribe, caplog: pytest.LogCaptureFixture) -> None:
    os.kill(scribe._process.pid, signal.SIGKILL)
    until(lambda: "nothing more is recorded" in caplog.text)
    tell(scribe, talk())
    scribe.stop()


def test_what_a_proxy_handed_over_before_it_was_killed_is_finished(tmp_path: Path) -> None:
    script = """
import os, sys, time
from pathlib import Path
from inspector.model import Frame, Opened, Plane
from inspector.proxy.remote import RemoteScribe
scribe = RemoteScribe(Path(sys.argv[1]))
scribe.start()
stream = scribe.begin("gateway.discord.gg", certain=True)
scribe.put(stream, Opened(0, 1, Plane.GATEWAY, "wss://gateway.discord.gg/?v=10&encoding=json"))
scribe.put(stream, Frame(0, 2, False, True, b'{"op":10,"d":{"heartbeat_interval":41250}}'))
while not stream.connection or len(scribe._intake):
    time.sleep(0.01)
time.sleep(0.2)
os.kill(os.getpid(), 9)
"""
    path = tmp_path / "killed.gwcap"
    subprocess.run([sys.executable, "-c", script, str(path)], check=False, timeout=60)
    until(lambda: not path.with_name("killed.gwcap.lock").exists())
    opened, _, closed = stored(path)
    assert isinstance(opened, Opened)
    assert isinstance(closed, Closed)
    assert (closed.by, closed.reason) == ("proxy", "mitmproxy was killed")


def test_what_crosses_after_the_close_is_written_too(scribe: RemoteScribe, tmp_path: Path) -> None:
    """The other end may say more before it has heard of the close."""
    happenings = talk()
    late = Frame(1, happenings[-1].at_ns + 1, False, True, b'{"op":11}')
    tell(scribe, [*happenings, late])
    scribe.stop()
    assert stored(tmp_path / "remote.gwcap")[-1] == late


@pytest.fixture
def aside(tmp_path: Path) -> Iterator[Scribe]:
    scribe = Scribe(tmp_path / "aside.gwcap", default(), stands_aside=True)
    yield scribe
    scribe.stop()


@pytest.mark.skipif(not hasattr(os, "SCHED_IDLE"), reason="only Linux runs a thread when nobody else wants to")
class TestStandingAside:
    def test_it_works_when_nobody_else_wants_the_processor(self, aside: Scribe) -> None:
        aside.start()
        assert aside._aside is not None
        tell(aside, talk())
        until(lambda: not len(aside._intake))
        assert os.sched_getscheduler(aside._aside.native_id or 0) == os.SCHED_IDLE

    def test_where_that_leaves_it_behind_it_goes_on_with_its_share(self, aside: Scribe, tmp_path: Path) -> None:
        assert aside._aside is not None
        opened, *others, closed = talk()
        tell(aside, [opened, *others, *(Control(1, 10**15 + n, True, "ping", b"") for n in range(TAKE)), closed])
        aside.start()
        aside._aside.join(20)
        until(lambda: not len(aside._intake))
        assert os.sched_getscheduler(aside._thread.native_id or 0) != os.SCHED_IDLE
        aside.stop()
        assert len(stored(tmp_path / "aside.gwcap")) == TAKE + len(others) + 2


def test_how_many_shards_may_start_at_once_reaches_the_process(tmp_path: Path) -> None:
    scribe = RemoteScribe(tmp_path / "remote.gwcap", max_concurrency=16)
    scribe.start()
    tell(scribe, talk())
    scribe.stop()
    with closing(Reader(tmp_path / "remote.gwcap")) as reader:
        assert reader.meta()["max_concurrency"] == "16"


def test_what_discord_told_of_session_starts_reaches_the_process(tmp_path: Path) -> None:
    scribe = RemoteScribe(tmp_path / "remote.gwcap")
    scribe.start()
    scribe.learn_limit(told())
    tell(scribe, talk())
    scribe.stop()
    with closing(Reader(tmp_path / "remote.gwcap")) as reader:
        assert [replace(each, at_ns=told().at_ns) for each in reader.start_limits()] == [told()]
