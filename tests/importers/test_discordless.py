"""Archives of discordless. One that its own addon made is read in `tests.importers.logs.test_real`."""

import os
import zipfile
import zlib
from pathlib import Path

import pytest

from inspector.importers import discordless
from inspector.importers.cache import Place, imported
from inspector.importers.discordless import DiscordlessArchive
from inspector.importers.formats import open_source
from inspector.model import Closed, Frame, Happening, Knows, Opened, Plane
from inspector.protocol.registry import default

START_NS = 1_800_000_000_000_000_000
PLAIN = "https://gateway.discord.gg/?v=9&encoding=json"
STREAM = PLAIN + "&compress=zlib-stream"
HELLO = b'{"t":null,"s":null,"op":10,"d":{"heartbeat_interval":41250}}'
ACK = b'{"t":null,"s":null,"op":11,"d":null}'


def streamed(*payloads: bytes) -> list[bytes]:
    deflate = zlib.compressobj()
    return [deflate.compress(payload) + deflate.flush(zlib.Z_SYNC_FLUSH) for payload in payloads]


def archive(folder: Path, *connections: tuple[str, list[bytes]]) -> Path:
    """Write one; messages of a connection come every half second from its opening on."""
    (folder / "gateways").mkdir(parents=True)
    index = ""
    for number, (url, messages) in enumerate(connections):
        begin = 1_800_000_000 + number
        index += f"{begin}.25 {url} {number}\n"
        lines = [f"{begin + after / 2} {len(message)}\n" for after, message in enumerate(messages, 1)]
        (folder / f"gateways/{number}_data").write_bytes(b"".join(messages))
        (folder / f"gateways/{number}_timeline").write_text("".join(lines))
    (folder / "gateway_index").write_text(index)
    return folder


def packed(folder: Path, *, below: str = "traffic_archive/") -> Path:
    target = folder.with_suffix(".zip")
    with zipfile.ZipFile(target, "w", zipfile.ZIP_DEFLATED) as file:
        for path in sorted(folder.rglob("*"), reverse=True):
            file.write(path, below + str(path.relative_to(folder)))
    return target


def read(path: Path) -> tuple[list[Happening], list[str]]:
    source = open_source(path)
    assert isinstance(source, DiscordlessArchive)
    happenings = list(source)
    done, total = source.progress
    assert done == total
    return happenings, source.notes


def messages_of(happenings: list[Happening]) -> list[bytes]:
    return [each.data for each in happenings if isinstance(each, Frame)]


def test_what_the_server_said_is_there_with_its_times(tmp_path: Path) -> None:
    assert read(archive(tmp_path / "day", (PLAIN, [HELLO, ACK]))) == (
        [
            Opened(
                *(1, START_NS + 250_000_000, Plane.GATEWAY, PLAIN.replace("https", "wss")),
                knows=Knows.TIMES | Knows.WIRE,
            ),
            Frame(1, START_NS + 500_000_000, False, True, HELLO),
            Frame(1, START_NS + 1_000_000_000, False, True, ACK),
            Closed(1, START_NS + 1_000_000_000, None),
        ],
        [],
    )


def test_a_folder_its_index_and_a_zip_of_it_are_the_same(tmp_path: Path) -> None:
    folder = archive(tmp_path / "traffic_archive", (PLAIN, [HELLO]), (STREAM, streamed(HELLO, ACK)))
    wanted = read(folder)
    assert len(messages_of(wanted[0])) == 3
    others = (tmp_path, folder / "gateway_index", packed(folder), packed(folder, below=""))
    assert [read(path) for path in others] == [wanted] * 4


def test_compressed_messages_are_binary_however_they_begin(tmp_path: Path) -> None:
    happenings, _ = read(archive(tmp_path / "day", (STREAM, [*streamed(HELLO), b"{ might be deflate's"])))
    assert [each.is_text for each in happenings if isinstance(each, Frame)] == [False, False]


def test_connections_come_in_the_order_of_time(tmp_path: Path) -> None:
    folder = archive(tmp_path / "day", (PLAIN, [HELLO, ACK, ACK]), (PLAIN, [HELLO]))
    happenings, _ = read(folder)
    assert [each.at_ns for each in happenings] == sorted(each.at_ns for each in happenings)
    assert {each.connection for each in happenings} == {1, 2}


def test_data_that_breaks_off_gives_what_is_whole(tmp_path: Path) -> None:
    folder = archive(tmp_path / "day", (PLAIN, [HELLO, ACK]))
    (folder / "gateways/0_data").write_bytes((HELLO + ACK)[:-1])
    happenings, notes = read(folder)
    assert messages_of(happenings) == [HELLO]
    assert notes == ["1 connection breaks off in the middle of a message: the addon was still writing, or was ended"]


@pytest.mark.parametrize("url", [PLAIN, STREAM])
def test_a_timeline_that_breaks_off_costs_no_message(tmp_path: Path, url: str) -> None:
    messages = streamed(HELLO, ACK, ACK) if url is STREAM else [HELLO, ACK]
    folder = archive(tmp_path / "day", (url, messages))
    (folder / "gateways/0_timeline").write_text(f"1800000000.5 {len(messages[0])}\n1800000001.0 1")
    happenings, notes = read(folder)
    assert messages_of(happenings) == messages
    assert happenings[-1].at_ns == START_NS + 500_000_000
    assert notes == ["1 connection has messages behind the last time that was recorded; they are given with that time"]


def test_missing_files_are_named(tmp_path: Path) -> None:
    folder = archive(tmp_path / "day", (PLAIN, [HELLO]), (PLAIN, [HELLO]))
    (folder / "gateways/0_data").unlink()
    (folder / "gateways/1_timeline").unlink()
    happenings, notes = read(folder)
    assert messages_of(happenings) == [HELLO]
    assert notes[0] == (
        "files of day that could not be read: 2 (gateways/0_data: no such file, gateways/1_timeline: no such file)"
    )


def test_links_are_not_followed(tmp_path: Path) -> None:
    folder = archive(tmp_path / "day", (PLAIN, [HELLO]))
    data = folder / "gateways/0_data"
    os.rename(data, tmp_path / "elsewhere")
    data.symlink_to(tmp_path / "elsewhere")
    assert messages_of(read(folder)[0]) == []


@pytest.mark.parametrize(
    "line", ["1.5 https://gateway.discord.gg/ ../../x", "x", "\x1b]0;owned\x07", "nan https://a/ 1", "1.5 ftp://a/ 1"]
)
def test_odd_lines_of_the_index_are_counted(tmp_path: Path, line: str) -> None:
    folder = archive(tmp_path / "day", (PLAIN, [HELLO]))
    with (folder / "gateway_index").open("a") as index:
        index.write(line + "\n")
    happenings, notes = read(folder)
    assert len(happenings) == 3
    assert notes == ["skipped in indexes, because they are not in discordless' form: 1 line"]


@pytest.mark.parametrize("line", ["1.5 99999999999999\n", "1.5 -1\n", "1.5\n", "\x00\n"])
def test_after_an_odd_line_of_a_timeline_messages_have_no_times(tmp_path: Path, line: str) -> None:
    folder = archive(tmp_path / "day", (PLAIN, [HELLO, ACK]))
    (folder / "gateways/0_timeline").write_text(f"1800000000.5 {len(HELLO)}\n{line}1800000001 5\n")
    happenings, notes = read(folder)
    assert messages_of(happenings) == [HELLO, ACK]
    assert len(notes) == 2


def test_a_large_stream_without_a_timeline_is_given_message_by_message(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(discordless, "_PIECE", 7)
    messages = streamed(HELLO, *[ACK] * 20)
    folder = archive(tmp_path / "day", (STREAM, messages))
    (folder / "gateways/0_timeline").write_text("")
    assert messages_of(read(folder)[0]) == messages


def test_what_is_no_gateway_is_named(tmp_path: Path) -> None:
    _, notes = read(archive(tmp_path / "day", ("https://gateway.example.com/", [b"hello"])))
    assert notes[0] == "1 WebSocket was not a Discord gateway: gateway.example.com"


def test_an_archive_that_is_no_zip_says_so(tmp_path: Path) -> None:
    folder = archive(tmp_path / "traffic_archive", (PLAIN, [HELLO]))
    whole = packed(folder).read_bytes()
    (tmp_path / "cut.zip").write_bytes(whole[:-30])
    happenings, notes = read(tmp_path / "cut.zip")
    assert happenings == []
    assert notes[0].startswith(f"{tmp_path / 'cut.zip'} cannot be read to the end: its list of contents is missing")


def test_a_file_of_an_archive_that_is_damaged_ends_there(tmp_path: Path) -> None:
    folder = archive(tmp_path / "traffic_archive", (PLAIN, [HELLO]))
    data = bytearray(packed(folder).read_bytes())
    at = data.index(b"gateways/0_data") + len(b"gateways/0_data")
    data[at : at + 20] = bytes(20)
    (tmp_path / "bad.zip").write_bytes(data)
    _, notes = read(tmp_path / "bad.zip")
    assert (
        notes[0] == f"{tmp_path / 'bad.zip'} cannot be read to the end: it is damaged; what came before that was read"
    )


def test_an_import_is_made_again_where_a_file_of_the_folder_changed(tmp_path: Path) -> None:
    folder = archive(tmp_path / "day", (PLAIN, [HELLO]))
    places = [imported(Place([folder], default(), folder=tmp_path / "cache"))]
    places.append(imported(Place([folder], default(), folder=tmp_path / "cache")))
    with (folder / "gateways/0_timeline").open("a") as timeline:
        timeline.write("1800000009 36\n")
    places.append(imported(Place([folder], default(), folder=tmp_path / "cache")))
    assert places[0] == places[1] != places[2]
