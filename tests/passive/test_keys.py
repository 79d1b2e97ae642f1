"""A client is told where its TLS keys go, and they are read as they come."""

import os
import ssl
import subprocess
import sys
from pathlib import Path

import pytest

from inspector.importers.pcap.keylog import KeyLog
from inspector.passive.keys import KeyTail, key_environment, key_file
from inspector.proxy.launch.folder import Folder
from inspector.proxy.launch.reports import read_reports

RANDOM = "ab" * 32
LINE = f"CLIENT_RANDOM {RANDOM} {'cd' * 48}\n".encode()


@pytest.fixture
def folder(tmp_path: Path) -> Folder:
    return Folder(tmp_path)


def test_keys_are_read_once_their_line_is_whole(tmp_path: Path) -> None:
    keys, path = KeyLog(), tmp_path / "keys.log"
    tail = KeyTail(path, keys)
    tail.read()
    path.write_bytes(b"# a comment\n" + LINE[:50])
    tail.read()
    assert len(keys) == 0
    path.write_bytes(b"# a comment\n" + LINE)
    tail.read()
    assert keys.is_complete(bytes.fromhex(RANDOM))


def test_a_file_that_is_begun_anew_is_read_from_its_start(tmp_path: Path) -> None:
    keys, path = KeyLog(), tmp_path / "keys.log"
    tail = KeyTail(path, keys)
    path.write_bytes(b"#" * 1000 + b"\n")
    tail.read()
    path.write_bytes(LINE)
    tail.read()
    assert len(keys) == 1
    path.unlink()
    tail.read()
    path.write_bytes(LINE.replace(b"ab" * 32, b"ba" * 32))
    tail.read()
    assert len(keys) == 2


def test_a_line_without_end_is_not_kept(tmp_path: Path) -> None:
    keys, path = KeyLog(), tmp_path / "keys.log"
    tail = KeyTail(path, keys)
    path.write_bytes(b"x" * 5_000_000)
    tail.read()
    assert len(tail._rest) <= 1024


def test_of_too_many_connections_the_last_count() -> None:
    keys = KeyLog(2)
    for number in range(5):
        keys.add(LINE.replace(b"ab" * 32, b"%064x" % number))
    assert len(keys) == 2
    assert keys.is_complete(bytes.fromhex(f"{4:064x}"))


def test_what_the_user_has_in_the_environment_is_kept_and_extended(folder: Folder) -> None:
    theirs = {"PYTHONPATH": "/their/modules", "NODE_OPTIONS": "--no-warnings", "HTTPS_PROXY": "http://theirs:1"}
    environment = key_environment(folder, key_file(folder, theirs), theirs)
    assert environment == {
        "SSLKEYLOGFILE": str(folder.keys),
        "PYTHONPATH": f"{folder.hooks}{os.pathsep}/their/modules",
        "NODE_OPTIONS": f'--no-warnings --tls-keylog "{folder.keys}"',
        "HTTPS_PROXY": "http://theirs:1",
    }
    assert folder.keys.stat().st_mode & 0o777 == 0o600


def test_keys_go_where_the_user_has_them_go(folder: Folder, tmp_path: Path) -> None:
    theirs = {"SSLKEYLOGFILE": str(tmp_path / "theirs.log")}
    keys = key_file(folder, theirs)
    assert keys == tmp_path / "theirs.log"
    assert key_environment(folder, keys, theirs)["SSLKEYLOGFILE"] == str(keys)
    assert not folder.keys.exists()


def test_keys_are_gone_with_the_folder(folder: Folder) -> None:
    key_environment(folder, key_file(folder), {})
    folder.keys.write_bytes(LINE)
    folder.clear()
    assert not folder.path.exists()


def test_a_program_that_is_left_behind_can_still_write_its_keys(folder: Folder) -> None:
    """As ``pm2 start`` leaves one: it would fail without the file. What it had written is gone."""
    environment = key_environment(folder, key_file(folder))
    script = "import time; print(flush=True); time.sleep(100)"
    with subprocess.Popen([sys.executable, "-c", script], env=environment, stdout=subprocess.PIPE) as process:
        assert process.stdout is not None
        process.stdout.readline()
        folder.keys.write_bytes(LINE)
        folder.clear()
        assert folder.keys.read_bytes() == b""
        process.kill()


OWN_CONTEXT = """
import ssl
context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
print(context.keylog_filename)
context.wrap_bio(ssl.MemoryBIO(), ssl.MemoryBIO(), server_hostname="gateway.discord.gg")
print(context.keylog_filename)
own = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
own.keylog_filename = "{own}"
own.wrap_bio(ssl.MemoryBIO(), ssl.MemoryBIO(), server_hostname="gateway.discord.gg")
print(own.keylog_filename)
import socket
print(socket.getaddrinfo.__module__)
"""


def test_a_python_program_writes_the_keys_of_contexts_of_its_own(folder: Folder, tmp_path: Path) -> None:
    environment = key_environment(folder, key_file(folder))
    script = OWN_CONTEXT.replace("{own}", str(tmp_path / "own.log"))
    said = subprocess.run([sys.executable, "-c", script], env=environment, capture_output=True, text=True, check=True)
    # Where a name is looked up is left as it is.
    assert said.stdout.split() == ["None", str(folder.keys), str(tmp_path / "own.log"), "socket"]
    assert [report.what for report in read_reports(folder.reports)] == ["loaded"]


def test_a_usual_context_of_python_writes_its_keys(folder: Folder) -> None:
    environment = key_environment(folder, key_file(folder))
    script = "import ssl; print(ssl.create_default_context().keylog_filename)"
    said = subprocess.run([sys.executable, "-c", script], env=environment, capture_output=True, text=True, check=True)
    assert said.stdout.strip() == str(folder.keys)
    assert ssl.create_default_context().keylog_filename is None


def test_a_library_that_crashes_over_keys_is_not_asked_for_them(folder: Folder, tmp_path: Path) -> None:
    """picows 2.3.1, with TLS of its own below Python's."""
    (tmp_path / "modules").mkdir()
    (tmp_path / "modules" / "picows.py").write_text("")
    environment = key_environment(folder, key_file(folder), {"PYTHONPATH": str(tmp_path / "modules")})
    script = "import picows, ssl; print(ssl.create_default_context().keylog_filename)"
    said = subprocess.run([sys.executable, "-c", script], env=environment, capture_output=True, text=True, check=True)
    assert said.stdout.strip() == "None"
    assert "picows crashes" in read_reports(folder.reports)[-1].text
