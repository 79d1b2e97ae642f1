"""Real libraries through a real mitmdump: everything that was said is in the capture, and nothing else is."""

import json
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from pathlib import Path
from statistics import median
from typing import Any

import pytest

from inspector.cli.staging import Stage
from inspector.model import Kind, Plane
from inspector.report.packets import PacketReader
from inspector.simulator.content import ADA, BJORN, BOT
from inspector.simulator.server.media import FRAMES, SILENT_FRAMES
from inspector.store.reader import Reader
from tests.e2e.playing import SIDES, Played, assert_agree, play, records, talks_of_capture, talks_of_journal
from tests.rows import rows_in

pytestmark = [pytest.mark.compat, pytest.mark.e2e, pytest.mark.lowest]


@dataclass(slots=True)
class Watcher:
    """A viewer of the growing capture, which notes when it first sees each row."""

    payloads: list[tuple[int, bool | None, int]] = field(default_factory=list)
    """Connection, direction, and when it was seen, in nanoseconds since the epoch."""

    def watch(self, stage: Stage, capture: Path) -> None:
        reader = Reader(capture)
        after = 0
        while stage.client.poll() is None or stage.simulator.poll() is None:
            for event in reader.events(after) if reader.changed() else ():
                after = event.n
                if event.kind is Kind.PAYLOAD:
                    self.payloads.append((event.connection, event.from_client, time.time_ns()))
            time.sleep(0.002)
        reader.close()


@pytest.fixture(scope="module")
def watcher() -> Watcher:
    return Watcher()


@pytest.fixture(scope="module")
def played(tmp_path_factory: pytest.TempPathFactory, watcher: Watcher) -> Iterator[Played]:
    """discord.py in the scenario ``hello``, written down by all: both ends, mitmproxy, and us."""
    folder = tmp_path_factory.mktemp("discordpy")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("SEEN", str(folder / "seen.jsonl"))
        options = {"gwinspect_trim": "false", "save_stream_file": str(folder / "flows.mitm")}
        yield play("hello", folder, "discord.py", watcher.watch, options=options, pace=0.3)


def test_everything_discord_py_said_and_heard_is_in_the_capture(played: Played) -> None:
    assert_agree(talks_of_capture(played.capture), talks_of_journal(played.journal))


def test_everything_hikari_said_and_heard_is_in_the_capture(tmp_path: Path) -> None:
    hikari = play("hello", tmp_path, "hikari")
    recorded = talks_of_capture(hikari.capture)
    assert_agree(recorded, talks_of_journal(hikari.journal))
    assert len(recorded) == 2


def test_discord_py_in_an_encrypted_call_is_in_the_capture(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Every commit of the library's was valid to the server, and the guests' own libraries could follow it."""
    monkeypatch.setenv("SEEN", str(tmp_path / "seen.jsonl"))
    played = play("dave-call", tmp_path, "discord.py")
    recorded = talks_of_capture(played.capture)
    assert_agree(recorded, talks_of_journal(played.journal))
    from_client, from_server = ({op for op, *_ in recorded[1].payloads[side]} for side in SIDES)
    assert {0, 1, 5, 23, 26, 28} <= from_client
    assert {2, 4, 21, 22, 24, 25, 27, 29, 30} <= from_server
    assert 31 not in from_client
    rows = rows_in(played.capture)
    notes = [event.note for event in rows if event.plane is Plane.VOICE and event.op in (29, 30)]
    own = ", by the client's own commit"
    assert notes == [
        f"epoch 1: 2 members{own}",
        f"epoch 2: 3 members{own}",
        f"epoch 3: 2 members{own}",
        "epoch 1: 2 members",
    ]
    assert_sound_is_told(played.capture)


def assert_sound_is_told(capture: Path) -> None:
    """Assert that each packet of the call's is in some row, with its speaker, and that the library's are encrypted."""
    reader = Reader(capture)
    packets = PacketReader(reader, decrypt=True)
    media = [event for event in reader.all_events() if event.plane is Plane.MEDIA and event.kind is Kind.PAYLOAD]
    rows = [(event, list(packets.of(event))) for event in media if event.op == "rtp"]
    reader.close()
    frames = FRAMES + SILENT_FRAMES
    sent = [packet for event, found in rows if event.from_client for packet in found]
    received = [packet for event, found in rows if not event.from_client for packet in found]
    # One of what Ada says is lost; she speaks twice.
    assert (len(sent), len(received)) == (frames, 3 * frames - 1)
    assert {event.user_id for event, _ in rows} == {int(user["id"]) for user in (BOT, ADA, BJORN)}
    assert all("opened" in packet for packet in sent + received)
    # Silence passes as it is. The last that is said is said while encryption is off.
    opened = [packet["opened"] for packet in sent + received if "silence" not in packet["opened"]]
    assert len(opened) == 4 * FRAMES - 1
    assert ["dave" in each for each in opened].count(False) == FRAMES
    assert {event.op for event in media} >= {"discovery", "rtp"}


def test_the_capture_agrees_with_what_the_client_saw_itself(played: Played) -> None:
    seen = [json.loads(line) for line in (played.folder / "seen.jsonl").read_text("utf-8").splitlines()]
    recorded = [talk.payloads for talk in talks_of_capture(played.capture)]
    for side in SIDES:
        saw = [(p.get("op"), p.get("t"), p.get("s"), p.get("d")) for from_client, p in seen if from_client is side]
        assert saw == [payload for payloads in recorded for payload in payloads[side]]


def test_mitmproxys_own_file_of_the_same_traffic_reads_the_same(played: Played) -> None:
    ours = list(map(_at_once, records(rows_in(played.capture))))
    theirs = list(map(_at_once, records(rows_in(played.folder / "flows.mitm"))))
    assert theirs == ours


def _at_once(row: dict[str, Any]) -> dict[str, Any]:
    """Return a row without what only became known later: a file is shown while it is read."""
    if verdict := row.get("close", {}).get("verdict"):
        for key in ("then", "then_row", "right"):
            del verdict[key]
    return row


def test_rows_can_be_seen_while_the_connection_is_open(played: Played, watcher: Watcher) -> None:
    """From the server's sending to a viewer's seeing, on a machine that has nothing better to do: below 50 ms."""
    waits = []
    for number in (1, 2):
        sent = [e.at_ns for e in played.journal if (e.connection, e.kind, e.from_client) == (number, "message", False)]
        seen = [at for connection, from_client, at in watcher.payloads if (connection, from_client) == (number, False)]
        waits += [(after - before) / 1e6 for before, after in zip(sent, seen, strict=False)]
    assert len(waits) > 20
    assert 0 < median(waits) < 100


def test_connections_side_by_side_read_the_same_from_mitmproxys_file(tmp_path: Path) -> None:
    """mitmproxy writes a connection down when it has ended, so rows come in another order.

    Besides, a voice connection's summaries then lack the names that only its main gateway tells, and a message of one
    connection that reached us a moment after a later one of another has that one's time. Nothing else differs.
    """
    options = {"gwinspect_trim": "false", "save_stream_file": str(tmp_path / "flows.mitm")}
    played = play("voice", tmp_path, options=options)
    recorded = talks_of_capture(played.capture)
    assert_agree(recorded, talks_of_journal(played.journal))
    assert len(recorded) == 3
    theirs, ours = _by_url(tmp_path / "flows.mitm"), _by_url(played.capture)
    assert all(abs(a - b) < timedelta(milliseconds=20) for a, b in zip(_times(theirs), _times(ours), strict=True))
    assert theirs == ours


def _times(connections: list[list[dict[str, Any]]]) -> list[datetime]:
    """Take the times out of rows, and return them."""
    return [datetime.fromisoformat(row.pop("at")) for rows in connections for row in rows]


def _by_url(path: Path) -> list[list[dict[str, Any]]]:
    """Return the rows of each connection, without the numbers that depend on the order of the connections."""
    connections: dict[int, list[dict[str, Any]]] = {}
    for row in records(rows_in(path)):
        connections.setdefault(row.pop("connection"), []).append(row)
        # What rules say speaks of other rows, by their numbers.
        for key in ("n", "answers", "findings"):
            row.pop(key, None)
        if "close" in row:
            del row["close"]["verdict"]
        if row["plane"] == "voice":
            del row["summary"]
    return sorted(connections.values(), key=lambda rows: rows[0]["at"])
