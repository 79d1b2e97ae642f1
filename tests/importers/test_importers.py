"""A file is known by what is in it."""

import os
import subprocess
import sys
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from inspector.errors import CaptureError, NotACapture
from inspector.importers.formats import open_source
from inspector.importers.har import HarFile
from inspector.importers.mitm import FlowFile
from tests.importers.test_mitm import dump, path_of_packets, refused, websocket


@pytest.mark.parametrize(
    ("head", "name"),
    [
        (b"", "is empty"),
        (b"\x1f\x8b\x08\0\0\0", "is compressed with gzip (unpack it first)"),
        (b"\x28\xb5\x2f\xfd\x24", "is compressed with zstd (unpack it first)"),
        (b"PK\x03\x04rest", "is a zip archive (unpack it first)"),
        (b"SQLite format 3\0" + bytes(84), "is an SQLite database of something else"),
        (b'{"a": 1}', "is JSON, but neither a HAR (there is no log in it) nor DevTools events"),
        (b'[{"log": 1}]', "is JSON, but neither a HAR (there is no log in it) nor DevTools events"),
        (
            b'{"log":"a line of a container\\n","stream":"stdout"}\n',
            "is JSON, but neither a HAR (there is no log in it) nor DevTools events",
        ),
        ("wörter\n".encode() * 9000, "is text"),
        ("text".encode("utf-16"), "is text"),
        (b"\x83a\x01\0\xff", "is not text, and not in a known format"),
        (b"12:3", "is text"),
    ],
)
def test_a_foreign_file_is_named_for_what_it_is(tmp_path: Path, head: bytes, name: str) -> None:
    path = tmp_path / "file.gwcap"
    path.write_bytes(head)
    with pytest.raises(NotACapture) as raised:
        open_source(path)
    assert str(raised.value) == (
        f"{path} {name}; gwinspect reads its own captures (.gwcap), frames (.frames.jsonl), "
        "flow files of mitmproxy, HAR files with WebSocket messages, DevTools events, packet captures (pcap, pcapng), "
        "archives of discordless and logs with payloads (of discord.py, hikari, discord.js, eris and oceanic.js, or as "
        "JSON Lines)"
    )


@pytest.mark.parametrize(
    "head",
    [
        b'{"log": {"version": "1.2"}}',
        b'\xef\xbb\xbf \r\n{\n  "log" : {}}',
        '{"log":{}}'.encode("utf-16"),
        '{"log":{}}'.encode("utf-16-le"),
        b'{"comment": "first", "log": {',
    ],
)
def test_a_har_is_known_in_any_encoding(tmp_path: Path, head: bytes) -> None:
    path = tmp_path / "file.mitm"
    path.write_bytes(head)
    assert isinstance(open_source(path), HarFile)


@pytest.mark.parametrize("head", [b"2345:7:version;2:21#4:type;", b"2345:4:type,4:http,", b"99:5:error;0:~"])
def test_a_flow_file_is_known_by_its_first_key(tmp_path: Path, head: bytes) -> None:
    path = tmp_path / "file.har"
    path.write_bytes(head)
    assert isinstance(open_source(path), FlowFile)


def test_what_cannot_be_opened_is_told_in_a_sentence(tmp_path: Path) -> None:
    with pytest.raises(CaptureError, match=r"is a folder; give a file in it$"):
        open_source(tmp_path)
    with pytest.raises(CaptureError, match=r"day\.mitm does not exist$"):
        open_source(tmp_path / "day.mitm")
    with pytest.raises(CaptureError, match="could not be opened"):
        open_source(tmp_path / "nul\0byte")


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="there are no named pipes here")
def test_a_pipe_is_refused_rather_than_waited_for(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")
    with pytest.raises(CaptureError, match="is not a regular file"):
        open_source(tmp_path / "pipe")


@pytest.mark.skipif(getattr(os, "geteuid", lambda: 0)() == 0, reason="root may read everything")
def test_a_file_of_someone_else_is_told(tmp_path: Path) -> None:
    path = tmp_path / "file"
    path.touch(0)
    with pytest.raises(CaptureError, match="permission denied: "):
        open_source(path)


def test_a_file_that_vanishes_is_told_while_reading(tmp_path: Path) -> None:
    path = tmp_path / "file.har"
    path.write_bytes(b'{"log": {}}')
    source = open_source(path)
    path.unlink()
    with pytest.raises(CaptureError, match=r"file\.har could not be read: No such file"):
        list(source)


def test_mitmproxy_waits_for_a_flow_file() -> None:
    """Importing it takes a fifth of a second, which a HAR need not pay."""
    code = (
        "import sys, inspector.importers.formats; sys.exit(any(name.startswith('mitmproxy') for name in sys.modules))"
    )
    subprocess.run([sys.executable, "-c", code], check=True)


def test_ordinary_flows_are_read_without_mitmproxy(tmp_path: Path) -> None:
    path = tmp_path / "day.mitm"
    path.write_bytes(dump(websocket(), path_of_packets((True, b"")), refused()))
    code = (
        "import sys; from pathlib import Path; from inspector.importers.formats import open_source; "
        "assert len(list(open_source(Path(sys.argv[1])))) == 6; "
        "sys.exit(any(name.startswith('mitmproxy') for name in sys.modules))"
    )
    subprocess.run([sys.executable, "-c", code, path], check=True)


BEGINNINGS = st.sampled_from(
    [b"", b"{", b'{"log":{', b'{"log":{"entries":[{"_webSocketMessages":[', b"30:7:version;2:21#", b"\xff\xfe{\0"]
)


@given(BEGINNINGS, st.binary(max_size=80))
def test_any_bytes_are_read_or_refused(tmp_path: Path, beginning: bytes, rest: bytes) -> None:
    path = tmp_path / "file"
    path.write_bytes(beginning + rest)
    try:
        source = open_source(path)
    except NotACapture:
        return
    assert list(source) == []
    assert source.notes
