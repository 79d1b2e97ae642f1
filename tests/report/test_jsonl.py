"""Keys and shapes of JSON lines: what programs rely on."""

import base64
import json
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import pytest

from inspector.model import Plane
from inspector.pipeline import Pipeline
from inspector.protocol.registry import default
from inspector.report.jsonl import line
from inspector.report.present import Presenter
from inspector.session.state import Connection
from tests.conversation import DIALECTS, SESSION, TOKEN, Conversation, dispatch, identify, message, ready, usual
from tests.fed import fed
from tests.rows import rows_of
from tests.wire.dave_frames import REVOKE
from tests.wire.etf_encoder import encode

ALWAYS = ["n", "at", "connection", "plane", "kind", "direction", "op", "name", "event", "seq", "wire_bytes"]
ALWAYS += ["decoded_bytes", "encoding", "summary"]


class NoNames:
    """Stands for a recording of which nothing is needed."""

    def __init__(self, talk: Conversation) -> None:
        self.notes: list[str] = []
        self.names: dict[int, str] = {}
        self.known = Connection.of(Conversation(plane=talk.plane, url=talk.url).opens().happenings[0])

    def connection(self, number: int) -> Connection:
        return self.known


def records(talk: Conversation, *, reveal: bool = False, raw: bytes | None = None) -> list[dict[str, Any]]:
    pipeline, presenter = Pipeline(default()), Presenter(default(), reveal=reveal)
    events = fed(talk.happenings, pipeline).rows
    return [json.loads(line(presenter.show(event, NoNames(talk)), raw)) for event in events]


def test_a_payload_has_these_keys_in_this_order() -> None:
    assert list(records(usual())[4]) == [*ALWAYS, "d", "findings"]


def test_a_payload_says_all_there_is_to_say() -> None:
    found = records(usual("etf", "zlib-stream"))[9]
    decoded = len(Conversation("etf").encoded(dispatch("MESSAGE_CREATE", found["d"], 4)))
    assert {key: found[key] for key in ALWAYS if key not in ("wire_bytes", "summary")} == {
        "n": 10,
        "at": "2026-01-31T12:00:00.090000Z",
        "connection": 1,
        "plane": "gateway",
        "kind": "payload",
        "direction": "receive",
        "op": 0,
        "name": "Dispatch",
        "event": "MESSAGE_CREATE",
        "seq": 4,
        "decoded_bytes": decoded,
        "encoding": "etf",
    }
    assert found["d"]["content"] == "and good night"
    assert found["findings"] == []


def test_an_opening_has_its_url_and_status() -> None:
    talk = Conversation().opens(status=403, refusal="HTTP 403 Forbidden", headers={"user-agent": "invented"})
    [found] = records(talk)
    assert list(found) == [*ALWAYS, "open", "findings"]
    assert (found["kind"], found["direction"], found["op"], found["name"], found["event"]) == ("open", *[None] * 4)
    assert found["open"] == {
        "url": talk.url,
        "status": 403,
        "refusal": "HTTP 403 Forbidden",
        "client": "127.0.0.1:50000",
        "headers": {"user-agent": "invented"},
    }


def test_a_close_has_its_code_and_what_it_means() -> None:
    found = records(usual())[-1]
    assert list(found) == [*ALWAYS, "close", "findings"]
    assert (found["kind"], found["direction"]) == ("close", None)
    close = found["close"]
    assert close.keys() >= {"code", "name", "by", "reason", "meaning", "reconnect", "resume"}
    assert (close["code"], close["by"], close["reason"]) == (4004, "server", "Authentication failed.")
    assert (close["name"], close["reconnect"], close["resume"]) == ("Authentication failed", False, False)


@pytest.mark.parametrize("code", [None, 4999])
def test_a_close_that_nobody_knows_has_no_meaning(code: int | None) -> None:
    close = records(Conversation().opens().closes(code, "why", None))[-1]["close"]
    assert (close["code"], close["by"], close["reason"]) == (code, None, "why")
    assert [close[key] for key in ("name", "meaning", "reconnect", "resume")] == [None] * 4


def test_what_is_undecoded_has_its_reason_offset_and_bytes() -> None:
    found = records(Conversation().opens().frame(b"{oops", is_text=True), raw=b"{oops")[1]
    assert list(found) == [*ALWAYS, "undecoded", "raw", "findings"]
    assert (found["kind"], found["direction"], found["encoding"]) == ("undecoded", "receive", None)
    assert (found["undecoded"]["reason"], found["undecoded"]["offset"]) == ("not-json", 1)
    assert base64.b64decode(found["raw"]) == b"{oops"


def test_a_ping_is_a_control() -> None:
    found = records(usual())[8]
    assert (found["kind"], found["direction"], found["event"]) == ("control", "send", "ping")


@pytest.mark.parametrize(("encoding", "compression"), DIALECTS)
def test_bodies_are_the_same_in_every_dialect(encoding: str, compression: str) -> None:
    assert [found.get("d", ...) for found in records(usual(encoding, compression))] == [
        found.get("d", ...) for found in records(usual())
    ]


def test_an_absent_body_is_not_a_null_one() -> None:
    absent, null = records(Conversation().opens().server({"op": 11}).server({"op": 11, "d": None}))[1:]
    assert "d" not in absent
    assert null["d"] is None


def test_atoms_bytes_and_large_numbers_become_json() -> None:
    data = encode({"op": 0, "t": "X", "d": {"id": 41771983423143937, "big": 2**80, "raw": b"\xff", "t": (1, None)}})
    d = records(Conversation("etf").opens().frame(data))[1]["d"]
    assert d == {"id": 41771983423143937, "big": 2**80, "raw": {"base64": "/w=="}, "t": [1, None]}


def test_keys_that_the_envelope_does_not_know_come_along() -> None:
    assert records(Conversation().opens().server({"op": 11, "more": [1]}))[1]["extra"] == {"more": [1]}


def test_what_the_proxy_did_comes_along() -> None:
    assert records(Conversation().opens().injected({"op": 11}))[1]["marks"] == ["injected"]


def test_secrets_are_masked_in_bodies_unless_revealed() -> None:
    masked, revealed = (json.dumps(records(usual(), reveal=reveal)) for reveal in (False, True))
    for secret in (TOKEN, SESSION):
        assert secret not in masked
        assert secret in revealed


@pytest.mark.parametrize("text", ["\ud800", "\0\x1b[31m", "\u202e", '"}\n{"'])
def test_a_line_is_one_line_of_utf_8(text: str) -> None:
    talk = Conversation().opens().server(dispatch(text, {text: text}, 1))
    pipeline, presenter = Pipeline(default()), Presenter(default())
    events = fed(talk.happenings, pipeline).rows
    written = line(presenter.show(events[1], NoNames(talk)))
    assert written.count(b"\n") == 1
    assert json.loads(written.decode())["d"] == {text: text}


def test_a_voice_message_has_its_fields() -> None:
    talk = Conversation(plane=Plane.VOICE, url="wss://invented.discord.media/?v=8").opens()
    found = records(talk.frame(REVOKE))[1]
    assert (found["encoding"], found["op"], found["seq"]) == ("binary", 27, 3)
    assert found["d"] == {"operation": "revoke", "proposal_refs": ["aa" * 32]}


# Frames, as far as they may be shown.


def rows_with_raw(talk: Conversation, *, reveal: bool = False) -> list[dict[str, Any]]:
    presenter = Presenter(default(), reveal=reveal)
    with TemporaryDirectory() as folder:
        rows = rows_of(talk.happenings, Path(folder) / "x.gwcap")
        return [json.loads(line(presenter.show(event, rows), presenter.raw(event, rows))) for event in rows]


def test_raw_has_its_secrets_masked() -> None:
    found = rows_with_raw(Conversation().opens().server(ready()).client(identify()))
    for row in found[1:]:
        assert "masked-" in base64.b64decode(row["raw"]).decode()
        assert "raw_withheld" not in row


@pytest.mark.parametrize("compression", ["zlib-stream", "zstd-stream", "payload"])
def test_raw_of_compressed_bytes_is_withheld(compression: str) -> None:
    talk = Conversation(compression=compression).opens().server(ready())
    assert rows_with_raw(talk)[1]["raw_withheld"] == "compressed"
    assert "raw" not in rows_with_raw(talk)[1]
    assert base64.b64decode(rows_with_raw(talk, reveal=True)[1]["raw"]) == talk.frames[0].data


def test_raw_of_what_could_not_be_read_is_withheld() -> None:
    talk = Conversation().opens().frame(b'{"token":"cut of', is_text=True, from_client=True)
    assert rows_with_raw(talk)[1]["raw_withheld"] == "unreadable"
    assert base64.b64decode(rows_with_raw(talk, reveal=True)[1]["raw"]) == talk.frames[0].data


def test_bytes_after_a_payload_are_not_shown() -> None:
    talk = Conversation().opens().frame(b'{"op":1} no secret shape', is_text=True, from_client=True)
    assert base64.b64decode(rows_with_raw(talk)[1]["raw"]) == b'{"op":1} ** ****** *****'


def test_a_summary_never_shows_part_of_a_secret() -> None:
    """It is cut after 80 characters, and a token that was cut has no shape."""
    text = "x" * 60 + " " + TOKEN
    for found in rows_with_raw(Conversation().opens().server(message(text))):
        assert TOKEN[:12] not in found["summary"]
