"""``gwinspect run``: one more client for a recording that goes on, and what it says where there is none."""

import signal
import sys
from pathlib import Path

import pytest

from inspector.proxy import livefile
from inspector.store.reader import Reader

from .conftest import CLIENT
from .test_live import BEATER, Place, confdir, place, until

pytestmark = pytest.mark.e2e
__all__ = ["confdir", "place"]


def test_a_second_client_joins_the_recording(place: Place) -> None:
    recording = place.start(command=place.client(BEATER))
    until(lambda: place.events() > 5)
    # No proxy setting: only the hook leads it there.
    script = CLIENT.replace("trust_env=True", "")
    client = place.folder / "second.py"
    client.write_text(script)
    url = f"ws://127.0.0.1:{place._gateway}/?v=10&encoding=json"
    second = Place(place.folder, place._gateway)
    second.options = lambda *more: ["--capture", str(place.capture)]  # type: ignore[method-assign]
    assert second.run(command=[sys.executable, str(client), url], name="run") == 7, second.err()
    recording.send_signal(signal.SIGINT)
    assert recording.wait(20) == 130
    reader = Reader(place.capture)
    assert [connection.closed.code for connection in reader.connections()] == [4001, 4000]
    reader.close()
    assert livefile.read(place.capture) is None


def test_a_proxy_that_is_not_there_is_said_before_anything_runs(run, tmp_path: Path) -> None:
    result = run("run", "--proxy", "127.0.0.1:9", "--", "touch", tmp_path / "ran")
    assert (result.code, "no proxy listens on 127.0.0.1:9" in result.err) == (2, True)
    result = run("run", "--capture", tmp_path / "bot.gwcap", "--", "touch", tmp_path / "ran")
    assert (result.code, "nothing records into" in result.err) == (2, True)
    assert not (tmp_path / "ran").exists()
