"""Fifty invented secrets of 25 kinds, in both directions, in known and unknown fields, whole and damaged.

They are in no output and in no file unless they are asked for. What the server sends compressed is in the capture, as
README says, and in no output.
"""

import base64
import json
import logging
import sqlite3
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from mitmproxy.io import FlowWriter

from inspector.export.file import export
from inspector.export.html.page import page
from inspector.model import Closed, Control, Frame, Opened
from inspector.protocol.registry import default
from inspector.proxy.contentviews.lookup import Transcripts
from inspector.proxy.intake import Stream
from inspector.proxy.scribe import Scribe
from inspector.report.about import about
from inspector.report.compare import compare
from inspector.report.outline import Outline, body
from inspector.report.present import Shown
from inspector.report.pretty import text_of
from inspector.report.recording import Recording
from inspector.report.wire_view import hexdump, wire_facts
from inspector.store.chunks import unpack
from inspector.store.writer import Writer
from inspector.tui.app import GwinspectApp
from tests.canaries import Detector, canaries, recorded, streamed
from tests.cli.conftest import Run, run  # noqa: F401
from tests.conversation import Conversation
from tests.export.html.reading import Read
from tests.proxy.flows import flow_of

SENT, RECEIVED, STREAMED = (canaries(seed) for seed in ("sent", "received", "streamed"))
DETECTOR = Detector([*SENT, *RECEIVED, *STREAMED])
IN_FILES = Detector([*SENT, *RECEIVED])


def written(path: Path, happenings: Iterator[Any], **more: Any) -> Path:
    writer = Writer(path, default(), made_by="test", **more)
    writer.write(list(happenings))
    writer.finish()
    return path


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("canaries")


@pytest.fixture(scope="module")
def masked(folder: Path) -> Path:
    return written(folder / "masked.gwcap", recorded(SENT, RECEIVED))


@pytest.fixture(scope="module")
def kept(folder: Path) -> Path:
    return written(folder / "kept.gwcap", recorded(SENT, RECEIVED), keep_secrets=True)


@pytest.fixture(scope="module")
def compressed(folder: Path) -> Path:
    return written(folder / "compressed.gwcap", streamed(STREAMED))


# What is not shown of a capture that has secrets is not shown of one that has none.
@pytest.fixture(params=["kept", "compressed"])
def capture(request: pytest.FixtureRequest) -> Path:
    path: Path = request.getfixturevalue(request.param)
    return path


def test_there_are_fifty_of_more_than_twenty_kinds() -> None:
    assert len({canary.kind for canary in SENT}) == 25
    assert len([*SENT, *RECEIVED]) == 50


def test_the_detector_finds_every_canary_where_secrets_are_kept(kept: Path, run: Run) -> None:  # noqa: F811
    """So that the other tests can fail."""
    found = dict(DETECTOR.leaks(run("show", kept, "--format", "jsonl", "--raw", "--reveal").out.encode()))
    assert set(found) == {canary.kind for canary in SENT}


def test_no_canary_is_in_the_capture(masked: Path) -> None:
    assert IN_FILES.leaks(masked.read_bytes()) == []


def test_no_canary_is_in_a_table(masked: Path) -> None:
    with sqlite3.connect(masked) as db:
        tables = [name for (name,) in db.execute("select name from sqlite_master where type = 'table'")]
        for table in tables:
            for row in db.execute(f"select * from {table}"):
                for value in row:
                    data = value if isinstance(value, bytes) else str(value).encode()
                    assert IN_FILES.leaks(data) == [], table
        for (data,) in db.execute("select data from payload_chunk"):
            for payload in unpack(data).values():
                assert IN_FILES.leaks(payload) == []


DIAGNOSES = [("diagnose", "--fail-on", "never", *form) for form in ((), ("--format", "jsonl"), ("--format", "junit"))]
COMMANDS = [
    ("show",),
    # All that is in JSON lines without it, and more.
    ("show", "--format", "jsonl", "--raw"),
    ("show", "--format", "jsonl", "--raw", "--packets", "--decrypt"),
    ("stats", "--limit", "0"),
    ("stats", "--format", "jsonl"),
    *DIAGNOSES,
]


@pytest.mark.parametrize("command", COMMANDS, ids=" ".join)
def test_no_canary_is_in_the_output_of_a_command(capture: Path, run: Run, command: tuple[str, ...]) -> None:  # noqa: F811
    name, *options = command
    result = run(name, capture, *options)
    assert result.code == 0, result.err
    assert len(result.out) > 100
    assert DETECTOR.leaks(result.out.encode()) == []
    assert DETECTOR.leaks(result.err.encode()) == []


def test_no_canary_is_in_an_answer_to_sql(capture: Path, run: Run) -> None:  # noqa: F811
    with sqlite3.connect(capture) as db:
        tables = [name for (name,) in db.execute("select name from sqlite_master where type = 'table'")]
    asked = [f"select * from {table}" for table in tables]
    asked += ["select id, payload(id) from event", "select hex(raw), length(raw), cast(raw as text) from frame"]
    asked += ["select hex(data) from payload_chunk", "select substr(forwarded, 5, 30) from frame"]
    for statement in asked:
        for form in ("text", "csv", "jsonl"):
            result = run("sql", capture, statement, "--format", form)
            assert result.code == 0, result.err
            assert DETECTOR.leaks((result.out + result.err).encode()) == [], statement


def test_sql_shows_bytes_once_secrets_are_revealed(kept: Path, run: Run) -> None:  # noqa: F811
    out = run("sql", kept, "select hex(raw) from frame", "--format", "jsonl", "--reveal").out
    assert len(DETECTOR.leaks(out.encode())) > 20


@pytest.mark.parametrize("form", ["jsonl", "text", "csv"])
def test_no_canary_is_in_an_export(capture: Path, tmp_path: Path, form: str) -> None:
    recording = Recording(capture, default())
    count = export(recording, range(1, recording.reader.last() + 1), tmp_path / "out", form)
    assert count > 100
    assert DETECTOR.leaks((tmp_path / "out").read_bytes()) == []
    recording.close()


def test_no_canary_is_in_a_report(capture: Path) -> None:
    recording = Recording(capture, default())
    read = Read(b"".join(page(recording, [capture.name])))
    recording.close()
    assert len(read.rows) > 100
    assert len(read.payloads) > 100
    assert DETECTOR.leaks(read.data) == []
    assert DETECTOR.leaks(read.text.encode()) == []


def test_a_report_shows_secrets_once_they_are_asked_for(kept: Path) -> None:
    recording = Recording(kept, default(), reveal=True)
    read = Read(b"".join(page(recording, [kept.name])))
    recording.close()
    assert len(DETECTOR.leaks(read.text.encode())) > 20


def test_no_canary_is_in_what_is_said_of_a_row(capture: Path) -> None:
    """What the tabs of the screen's details are made of: payload, JSON, explanation, wire, comparison."""
    recording = Recording(capture, default())
    said: list[str] = []
    before: Shown | None = None
    for number in range(1, recording.reader.last() + 1):
        shown = recording.shown(number)
        assert shown is not None
        said += [repr(body(shown)), text_of(shown), repr(about(shown, recording.rows, recording.registry))]
        said += [f"{line.label} {line.value}" for line in Outline(body(shown)).lines]
        said += [line.summary for line in recording.lines([number])]
        facts = wire_facts(shown, recording.rows, recording.registry)
        said += facts.notes
        for data in (facts.decoded, *(each for frame in facts.frames for each in (frame.data, frame.forwarded))):
            if data is not None:
                said.append("".join(line.text for line in hexdump(data)))
                said.append(" ".join(line.hex.replace("  ", " ").strip() for line in hexdump(data)))
        if before is not None:
            said.append(repr(compare(body(before), body(shown))))
        before = shown
    recording.close()
    assert DETECTOR.leaks("\n".join(said).encode(errors="backslashreplace")) == []


async def test_no_canary_is_on_a_screen(capture: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "state"))
    app = GwinspectApp(capture)
    async with app.run_test(size=(220, 70)) as pilot:
        seen = []
        for keys in (
            ("home",),
            ("enter",),
            *[("down",)] * 20,
            *[("tab", "right")] * 6,
            ("F",),
            ("escape",),
            ("L",),
            ("escape",),
        ):
            await pilot.press(*keys)
            await pilot.pause()
            seen.append(app.export_screenshot())
    text = "\n".join(seen).replace("&#160;", " ").replace("&quot;", '"')
    assert "gateway.discord.gg" in text
    assert DETECTOR.leaks(text.encode()) == []


def test_a_screen_shows_secrets_once_they_are_revealed(kept: Path) -> None:
    recording = Recording(kept, default(), reveal=False)
    assert "aB3" not in recording.connection(1).opened.url
    recording.reveal = True
    said = repr([recording.shown(number) for number in range(1, 400)]) + recording.connection(1).opened.url
    assert len(DETECTOR.leaks(said.encode(errors="backslashreplace"))) > 4
    recording.close()


def foreign(tmp_path: Path, form: str) -> Path:
    """Return a file of another program in which the canaries are, as that program writes it."""
    happenings = list(recorded(SENT, RECEIVED))
    by_number: dict[int, Conversation] = {}
    for each in happenings:
        if isinstance(each, Opened):
            by_number[each.connection] = Conversation(plane=each.plane, url=each.url)
        by_number[each.connection].happenings.append(each)
    talks = [talk for talk in by_number.values() if talk.frames]
    path = tmp_path / f"foreign.{form}"
    if form == "mitm":
        with path.open("wb") as file:
            for talk in talks:
                flow = flow_of(talk)
                opened = talk.happenings[0]
                assert isinstance(opened, Opened)
                flow.request.headers.update(opened.headers | {"authorization": SENT[0].text, "cookie": SENT[1].text})
                FlowWriter(file).add(flow)
    elif form == "har":
        entries = []
        for talk in talks:
            messages = [
                {
                    "type": "send" if frame.from_client else "receive",
                    "time": frame.at_ns / 1e9,
                    "opcode": 1 if frame.is_text else 2,
                    "data": frame.data.decode("utf-8", "replace")
                    if frame.is_text
                    else base64.b64encode(frame.data).decode(),
                }
                for frame in talk.frames
            ]
            headers = [
                {"name": name, "value": SENT[2].text} for name in ("Cookie", "Authorization", "Sec-WebSocket-Protocol")
            ]
            entries.append(
                {
                    "_resourceType": "websocket",
                    "_webSocketMessages": messages,
                    "request": {"method": "GET", "url": talk.url, "headers": headers},
                    "response": {"status": 101, "headers": headers},
                    "startedDateTime": "2026-01-31T12:00:00Z",
                }
            )
        path.write_text(
            json.dumps({"log": {"version": "1.2", "creator": {"name": "test", "version": "1"}, "entries": entries}})
        )
    else:
        lines: list[dict[str, Any]] = [{"format": "gwinspect-frames", "version": 1, "tool": "test"}]
        for each in happenings:
            record: dict[str, Any] = {
                "connection": each.connection,
                "at": f"2026-01-31T12:00:{each.connection % 60:02d}Z",
            }
            match each:
                case Opened():
                    headers = {**each.headers, "authorization": SENT[3].text}
                    record |= {"kind": "open", "url": each.url, "plane": each.plane.value, "headers": headers}
                    record |= {"status": each.status, **({"refusal": each.refusal} if each.refusal else {})}
                case Frame():
                    data = {"bytes": base64.b64encode(each.data).decode(), "is_text": each.is_text}
                    record |= {"kind": "message", "direction": "send" if each.from_client else "receive", **data}
                case Control():
                    data = {"bytes": base64.b64encode(each.data).decode()}
                    record |= {"kind": "ping", "direction": "send" if each.from_client else "receive", **data}
                case Closed():
                    record |= {"kind": "close", "code": each.code, "reason": each.reason, "by": each.by}
            lines.append(record)
        path.write_text("".join(json.dumps(line) + "\n" for line in lines))
    return path


@pytest.mark.parametrize("form", ["har", "mitm", "frames.jsonl"])
def test_no_canary_of_another_programs_file_is_shown_or_converted(
    tmp_path: Path,
    run: Run,  # noqa: F811
    form: str,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    path = foreign(tmp_path, form)
    assert len(DETECTOR.leaks(run("show", path, "--format", "jsonl", "--raw", "--reveal").out.encode())) > 20
    # What is read of it is a capture, of which every form of every command is looked at above.
    for command in (("show",), ("show", "--format", "jsonl", "--raw"), ("stats", "--limit", "0"), *DIAGNOSES[:1]):
        result = run(command[0], path, *command[1:])
        assert result.code == 0, result.err
        assert DETECTOR.leaks((result.out + result.err).encode()) == [], command
    converted = run("convert", path, "-o", tmp_path / "out.gwcap")
    assert converted.code == 0, converted.err
    assert IN_FILES.leaks((tmp_path / "out.gwcap").read_bytes()) == []
    for cached in (tmp_path / "cache").rglob("*"):
        assert not cached.is_file() or IN_FILES.leaks(cached.read_bytes()) == []


def test_no_canary_is_in_mitmproxys_window() -> None:
    transcripts = Transcripts(default())
    seen = []
    for happenings in (recorded(SENT, RECEIVED), streamed(STREAMED)):
        talks: dict[int, Conversation] = {}
        for each in happenings:
            if isinstance(each, Opened):
                talks[each.connection] = Conversation(plane=each.plane, url=each.url)
            talks[each.connection].happenings.append(each)
        for talk in talks.values():
            if talk.frames:
                flow = flow_of(talk)
                for message in flow.websocket.messages:
                    seen += [text for _, text in transcripts.page(flow, message)]
                seen.append(flow.comment)
    assert len(seen) > 1000
    assert DETECTOR.leaks("\n".join(seen).encode()) == []


@pytest.mark.parametrize("keep_secrets", [False, True])
def test_no_canary_is_in_the_log_of_the_recorder(
    tmp_path: Path, caplog: pytest.LogCaptureFixture, keep_secrets: bool
) -> None:
    caplog.set_level(logging.DEBUG)
    scribe = Scribe(tmp_path / "x.gwcap", default(), keep_secrets=keep_secrets)
    scribe.start()
    streams: dict[int, Stream] = {}
    for happening in recorded(SENT, RECEIVED):
        if isinstance(happening, Opened):
            if happening.refusal is not None:
                scribe.refuse(happening)
                continue
            streams[happening.connection] = scribe.begin("gateway.discord.gg", certain=True)
        scribe.put(streams[happening.connection], happening)
    scribe.stop()
    assert IN_FILES.leaks(b"" if keep_secrets else (tmp_path / "x.gwcap").read_bytes()) == []
    assert len(caplog.text) > 1000
    assert DETECTOR.leaks(caplog.text.encode()) == []
