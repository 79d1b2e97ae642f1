"""Formats that hold all of a recording: what was recorded comes back, other programs read it, no secret is in it."""

import base64
import importlib.metadata
import json
import shutil
import struct
import subprocess
import sys
import zlib
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import duckdb
import pytest
from mitmproxy.http import HTTPFlow
from mitmproxy.io import FlowReader

from inspector.analysis.diagnosis import diagnose
from inspector.errors import CaptureError, UsageError
from inspector.export import capture, fixture, formats, parquet
from inspector.export.chosen import Chosen
from inspector.export.formats import ROWS, WHOLE, rows_format
from inspector.importers.merge import Input, merge
from inspector.model import Closed, Control, Event, Frame, Happening, Kind, Opened, Plane
from inspector.protocol.registry import default
from inspector.report.recording import Recording
from inspector.store.reader import Reader
from tests.canaries import Detector, canaries, recorded, streamed
from tests.scrub.story import sizes, story, written

SAMPLES = sorted((Path(__file__).parents[2] / "sample_captures").glob("*.gwcap"))
EACH_SAMPLE = pytest.mark.parametrize("sample", SAMPLES, ids=lambda path: path.stem)
RESUME = next(path for path in SAMPLES if path.stem == "resume")
VOICE = next(path for path in SAMPLES if path.stem == "voice")
DOCS = Path(__file__).parents[2] / "docs"


def saved(sample: Path, form: str, target: Path, **more: Any) -> Path:
    target.write_bytes(b"".join(WHOLE[form](sample, default(), **more)))
    return target


def happenings(path: Path) -> list[Happening]:
    with closing(Input(path)) as source:
        return list(source.happenings())


@EACH_SAMPLE
def test_a_har_gives_back_all_that_it_has_a_place_for(sample: Path, tmp_path: Path) -> None:
    """That is messages to the microsecond, and how connections ended; neither packets nor what the proxy did."""
    back = happenings(saved(sample, "har", tmp_path / "bot.har", reveal=True))

    def told(found: list[Happening]) -> dict[str, list[Any]]:
        urls = {
            each.connection: each.url for each in found if isinstance(each, Opened) and each.plane is not Plane.MEDIA
        }
        said: dict[str, list[Any]] = {url: [] for url in urls.values()}
        for each in found:
            url = urls.get(each.connection)
            if url is None:
                continue
            if isinstance(each, Frame):
                said[url].append((each.at_ns // 1000, each.from_client, each.is_text, each.data))
            elif isinstance(each, Control):
                said[url].append((each.name, each.data))
            elif isinstance(each, Closed):
                said[url].append((each.code, each.reason if each.code != 1006 else ""))
        return said

    assert told(back) == told(happenings(sample))


@EACH_SAMPLE
def test_mitmproxy_reads_a_har(sample: Path, tmp_path: Path) -> None:
    path = saved(sample, "har", tmp_path / "bot.har")
    with path.open("rb") as file:
        flows = [flow for flow in FlowReader(file).stream() if isinstance(flow, HTTPFlow)]
    wanted = [each for each in happenings(sample) if isinstance(each, Opened) and each.plane is not Plane.MEDIA]
    assert [flow.request.pretty_host for flow in flows] == [
        each.url.partition("://")[2].partition("/")[0].partition("?")[0].rpartition(":")[0]
        or each.url.partition("://")[2].partition("/")[0].partition("?")[0]
        for each in wanted
    ]


@EACH_SAMPLE
def test_a_capture_of_all_tells_the_same(sample: Path, tmp_path: Path) -> None:
    capture.write(sample, tmp_path / "all.gwcap", default(), reveal=True)
    merge([Input(sample)], tmp_path / "read.gwcap", default(), made_by="test", keep_secrets=True)
    assert story(tmp_path / "all.gwcap") == story(tmp_path / "read.gwcap")


def test_what_is_cut_out_comes_with_its_session_and_its_call(tmp_path: Path) -> None:
    for sample in (RESUME, VOICE):
        with closing(Reader(sample)) as reader:
            (first, *_) = reader.connections()
            last = max(reader.all_events(), key=lambda event: (event.connection, -event.n))
        target = tmp_path / sample.name
        capture.write(sample, target, default(), rows=[last.n])
        with closing(Reader(target)) as reader:
            assert first.opened.url in [each.opened.url for each in reader.connections()]
        assert [case.name for case in diagnose(target).cases] == [case.name for case in diagnose(sample).cases]


def test_other_connections_are_left_out(tmp_path: Path) -> None:
    both = tmp_path / "both.gwcap"
    merge([Input(RESUME), Input(VOICE)], both, default(), made_by="test")
    with closing(Recording(both, default())) as recording:
        numbers = [each.n for each in recording.reader.all_events() if each.plane is Plane.VOICE]
    capture.write(both, tmp_path / "voice.gwcap", default(), rows=numbers)
    with closing(Reader(tmp_path / "voice.gwcap")) as reader:
        assert set(reader.files().values()) == {"voice.gwcap"}


def test_nothing_chosen_makes_no_file(tmp_path: Path) -> None:
    with pytest.raises(CaptureError, match="no row was chosen"):
        capture.write(RESUME, tmp_path / "none.gwcap", default(), rows=[])
    assert not list(tmp_path.iterdir())


def test_masked_streams_have_about_the_size_that_they_had(tmp_path: Path) -> None:
    capture.write(RESUME, tmp_path / "all.gwcap", default())
    for after, before in zip(sizes(tmp_path / "all.gwcap"), sizes(RESUME), strict=True):
        assert 0.9 * before <= after <= 1.1 * before


# Fixtures


@EACH_SAMPLE
def test_the_frames_of_a_fixture_decode_to_its_payloads(sample: Path, tmp_path: Path) -> None:
    """Read without any of our code, as a library's tests would."""
    count = fixture.write(sample, tmp_path / "fixture", default())
    manifest = json.loads((tmp_path / "fixture" / "manifest.json").read_text())
    assert count == sum(each["payload_count"] for each in manifest["connections"])
    for connection in manifest["connections"]:
        frames = [json.loads(line) for line in (tmp_path / "fixture" / connection["frames"]).open()]
        payloads = [json.loads(line) for line in (tmp_path / "fixture" / connection["payloads"]).open()]
        assert (len(frames), len(payloads)) == (connection["frame_count"], connection["payload_count"])
        if connection["encoding"] != "json" or connection["compression"] not in (None, "none", "zlib-stream"):
            continue
        inflate = zlib.decompressobj()
        decoded, held = {}, b""
        for number, frame in enumerate(frames):
            data = base64.b64decode(frame["base64"])
            if not frame["is_text"] and frame["direction"] == "receive" and connection["compression"] == "zlib-stream":
                held += inflate.decompress(data)
                if not data.endswith(b"\x00\x00\xff\xff"):
                    continue
                data, held = held, b""
            if data[:1] == b"{":
                decoded[number] = json.loads(data)
        for payload in payloads:
            if "undecoded" not in payload and payload["frame"] in decoded:
                assert decoded[payload["frame"]].get("d") == payload.get("d")


@EACH_SAMPLE
def test_a_fixture_can_be_made_into_frames_again(sample: Path, tmp_path: Path) -> None:
    """These decode to the rows of the capture, but for packets."""
    fixture.write(sample, tmp_path / "fixture", default(), reveal=True)
    manifest = json.loads((tmp_path / "fixture" / "manifest.json").read_text())
    records: list[dict[str, Any]] = []
    for number, connection in enumerate(manifest["connections"], 1):
        common = {"connection": number, "at": "2026-01-31T12:00:00Z"}
        records.append({"kind": "open", **common, "url": connection["url"], "plane": connection["plane"]})
        for line in (tmp_path / "fixture" / connection["frames"]).open():
            frame = json.loads(line)
            said = {"direction": frame["direction"], "is_text": frame["is_text"], "bytes": frame["base64"]}
            records.append({"kind": "message", **common, **said})
        if connection["close"] is not None:
            records.append({"kind": "close", **common, **connection["close"]})
    header = {"format": "gwinspect-frames", "version": 1}
    path = tmp_path / "again.frames.jsonl"
    path.write_text("".join(json.dumps(each) + "\n" for each in (header, *records)))
    merge([Input(path)], tmp_path / "again.gwcap", default(), made_by="test", keep_secrets=True)

    def told(capture: Path) -> list[list[Any]]:
        with closing(Reader(capture)) as reader:
            urls = [each.opened.url for each in reader.connections() if each.opened.plane is not Plane.MEDIA]
            rows = [each for each in reader.all_events() if each.plane is not Plane.MEDIA and each.kind is Kind.PAYLOAD]
            numbers = sorted({each.connection for each in rows})
            return [urls, *([_row(each) for each in rows if each.connection == number] for number in numbers)]

    assert told(tmp_path / "again.gwcap") == told(sample)


def _row(event: Event) -> Any:
    return event.from_client, event.op, event.event, event.seq, event.encoding, event.decoded_bytes


def python_loader() -> str:
    return _block("python")


def _block(language: str) -> str:
    page = (DOCS / "fixtures.md").read_text("utf-8")
    return page.partition(f"```{language}\n")[2].partition("```")[0]


def test_the_loader_for_python_gives_what_discord_py_decodes(tmp_path: Path) -> None:
    fixture.write(RESUME, tmp_path / "fixture", default())
    (tmp_path / "loader.py").write_text(python_loader())
    script = (
        "import json, sys, zlib; sys.path.insert(0, sys.argv[1])\n"
        "from loader import conversations\n"
        "from discord.utils import _ActiveDecompressionContext\n"
        "import discord.gateway\n"
        "n = 0\n"
        "for talk in conversations(sys.argv[2]):\n"
        "    inflate = zlib.decompressobj()\n"
        "    for frame, payloads in talk.messages():\n"
        "        if frame.direction == 'receive':\n"
        "            text = inflate.decompress(frame.data)\n"
        "            assert [json.loads(text).get('d')] == [each['d'] for each in payloads]; n += 1\n"
        "print(n)\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", script, str(tmp_path), str(tmp_path / "fixture")], capture_output=True, text=True
    )
    assert done.returncode == 0, done.stderr
    assert int(done.stdout) > 10


@pytest.mark.skipif(shutil.which("node") is None, reason="there is no Node")
def test_the_loader_for_javascript_gives_what_node_inflates(tmp_path: Path) -> None:
    fixture.write(RESUME, tmp_path / "fixture", default())
    (tmp_path / "loader.mjs").write_text(_block("javascript"))
    (tmp_path / "run.mjs").write_text(
        """
        import assert from "node:assert";
        import { inflateSync, constants } from "node:zlib";
        import { conversations } from "./loader.mjs";
        let count = 0;
        for (const talk of conversations(process.argv[2])) {
          let stream = Buffer.alloc(0), before = 0;
          for (const { direction, data, payloads } of talk.messages) {
            if (direction !== "receive") continue;
            stream = Buffer.concat([stream, data]);
            const text = inflateSync(stream, { finishFlush: constants.Z_SYNC_FLUSH });
            const payload = JSON.parse(text.subarray(before).toString());
            before = text.length;
            assert.deepStrictEqual([payload.op, payload.d], [payloads[0].op, payloads[0].d]);
            count += 1;
          }
        }
        console.log(count);
        """
    )
    command = ["node", str(tmp_path / "run.mjs"), str(tmp_path / "fixture")]
    done = subprocess.run(command, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert int(done.stdout) > 10


def test_a_fixture_never_replaces_a_folder(tmp_path: Path) -> None:
    with pytest.raises(CaptureError, match="exists"):
        fixture.write(RESUME, tmp_path, default())


# Perfetto


def fields(data: bytes) -> Iterator[tuple[int, Any]]:
    """Yield the fields of a protobuf message: numbers, doubles and bytes."""
    at = 0

    def varint() -> int:
        nonlocal at
        value = shift = 0
        while True:
            byte = data[at]
            at += 1
            value |= (byte & 127) << shift
            shift += 7
            if byte < 128:
                return value

    while at < len(data):
        key = varint()
        match key & 7:
            case 0:
                yield key >> 3, varint()
            case 1:
                yield key >> 3, data[at : at + 8]
                at += 8
            case 2:
                size = varint()
                yield key >> 3, data[at : at + size]
                at += size
            case other:
                raise AssertionError(other)


@EACH_SAMPLE
def test_a_trace_is_whole(sample: Path) -> None:
    """Slices end that begin, on tracks that are described; times are those of the recording."""
    with closing(Reader(sample)) as reader:
        first_ns, last_ns = reader.span()
    depth: dict[int, int] = {}
    names: dict[int, str] = {}
    for number, packet in fields(b"".join(WHOLE["perfetto"](sample, default()))):
        assert number == 1
        found = dict(fields(packet))
        if 60 in found:
            track = dict(fields(found[60]))
            names[track[1]] = track[2].decode()
            assert track.get(5, 0) == 0 or track[5] in names
            continue
        event = dict(fields(found[11]))
        assert event[11] in names
        assert first_ns - 2_000_000_000 <= found[8] <= last_ns + 2_000_000_000
        depth[event[11]] = depth.get(event[11], 0) + {1: 1, 2: -1}.get(event[9], 0)
        assert depth[event[11]] >= 0
        if event[9] == 4:
            assert struct.unpack("<d", event[44])[0] >= 0
    assert set(depth.values()) == {0}
    assert any("gateway" in name for name in names.values())


# Others


@EACH_SAMPLE
def test_parquet_has_a_row_for_each_row(sample: Path, tmp_path: Path) -> None:
    target = tmp_path / "rows.parquet"
    with closing(Recording(sample, default())) as recording:
        last = recording.reader.last()
        assert parquet.write(Chosen(recording, range(1, last + 1)), target) == last
        events = [(event.n, event.event, event.wire_bytes) for event in recording.reader.all_events()]
    with duckdb.connect() as db:
        found = db.execute("select n, event, wire_bytes from read_parquet(?) order by n", [str(target)]).fetchall()
    assert found == events
    assert target.stat().st_mode & 0o777 == 0o600


def test_a_table_in_markdown_holds_nothing_but_text(tmp_path: Path) -> None:
    hostile = next(path for path in SAMPLES if path.stem == "hostile")
    with closing(Recording(hostile, default())) as recording:
        numbers = range(1, recording.reader.last() + 1)
        lines = b"".join(ROWS["markdown"](Chosen(recording, numbers))).decode().splitlines()
    rows = [line for line in lines if line.startswith(("| 1", "| 2"))]
    assert len(rows) > 10
    for line in rows:
        assert line.replace("\\|", "").count("|") == 8
        assert "\x1b" not in line
        assert "<" not in line.replace("\\<", "")


@pytest.mark.parametrize("streams", [False, True], ids=["alone", "in-streams"])
def test_no_canary_is_in_any_format(streams: bool, tmp_path: Path) -> None:
    sent, received = canaries("sent"), canaries("received")
    detector = Detector([*sent, *received])
    told = streamed(received) if streams else recorded(sent, received)
    path = written(tmp_path / "bot.gwcap", told, keep_secrets=True)
    found = {name: b"".join(write(path, default())) for name, write in WHOLE.items()}
    with closing(Recording(path, default())) as recording:
        numbers = range(1, recording.reader.last() + 1)
        for name, rows in ROWS.items():
            found[name] = b"".join(rows(Chosen(recording, numbers)))
        parquet.write(Chosen(recording, numbers), tmp_path / "rows.parquet")
    with duckdb.connect() as db:
        rows = db.execute("select * from read_parquet(?)", [str(tmp_path / "rows.parquet")]).fetchall()
        found["parquet"] = "\n".join(map(str, rows)).encode("utf-8", "replace")
    capture.write(path, tmp_path / "all.gwcap", default())
    found["gwcap"] = b"\n".join(each.data for each in happenings(tmp_path / "all.gwcap") if isinstance(each, Frame))
    if streams:
        fixture.write(path, tmp_path / "fixture", default())
        found["fixture"] = b"\n".join(each.read_bytes() for each in (tmp_path / "fixture").iterdir())
    assert {name: detector.leaks(data) for name, data in found.items() if detector.leaks(data)} == {}


def test_another_package_adds_a_format(monkeypatch: pytest.MonkeyPatch) -> None:
    points = [
        importlib.metadata.EntryPoint("ours", "json:dumps", formats.GROUP),
        importlib.metadata.EntryPoint("broken", "nowhere.at.all:write", formats.GROUP),
    ]
    monkeypatch.setattr(
        formats, "entry_points", lambda group, name=None: [each for each in points if name in (None, each.name)]
    )
    assert rows_format("ours") is json.dumps
    with pytest.raises(UsageError, match="cannot be loaded"):
        rows_format("broken")
    with pytest.raises(UsageError, match=r"there are jsonl, .*broken, ours"):
        rows_format("unheard-of")
