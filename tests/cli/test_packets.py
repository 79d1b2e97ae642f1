"""Packet captures on the command line, and the keys for them."""

import json
from pathlib import Path

import pytest

from tests.conversation import HELLO, Conversation, usual
from tests.packets import packed, pcap, pcapng
from tests.wired import Wired


@pytest.fixture(scope="module")
def wired() -> Wired:
    return Wired(usual().happenings)


def names(out: str) -> list[str]:
    return [json.loads(line)["kind"] for line in out.splitlines()]


def test_a_packet_capture_with_its_keys_is_shown(run, tmp_path: Path, wired: Wired) -> None:
    path = tmp_path / "day.pcapng.gz"
    path.write_bytes(packed(pcapng(wired.packets, log=wired.log)))
    result = run("show", path, "--format", "jsonl")
    assert (result.code, len(names(result.out))) == (0, 11)


@pytest.mark.parametrize(
    "command", [("show",), ("stats",), ("diagnose", "--fail-on", "never"), ("convert", "-o", "x.gwcap")]
)
def test_keys_are_given_to_every_command_that_reads(
    run, tmp_path: Path, wired: Wired, command: tuple[str, ...], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    path, keys = tmp_path / "day.pcap", tmp_path / "secrets"
    path.write_bytes(pcap(wired.packets))
    keys.write_bytes(wired.log)
    name, *options = command
    without = run(name, path, *options)
    assert without.code == 2
    assert "pass --keys keys.log" in without.err
    assert "no gateway connection in" in without.err
    assert "record packets and TLS keys from before the client connects" in without.err
    assert run(name, path, *options, "--keys", keys).code == 0


def test_keys_that_come_later_are_not_missed_by_an_import_that_is_kept(run, tmp_path: Path, wired: Wired) -> None:
    second = Wired(Conversation(connection=2, at_ns=wired.packets[-1][0] + 10**9).opens().server(HELLO).happenings)
    path, keys = tmp_path / "day.pcapng", tmp_path / "day.pcapng.keys.log"
    path.write_bytes(pcap([*wired.packets, *second.packets]))
    keys.write_bytes(wired.log)
    assert len(names(run("show", path, "--format", "jsonl").out)) == 11
    keys.write_bytes(wired.log + second.log)
    assert len(names(run("show", path, "--format", "jsonl").out)) == 13


@pytest.mark.parametrize("command", [("show",), ("convert", "-o", "x.gwcap")])
def test_keys_without_packets_are_told(run, tmp_path: Path, capture: Path, command: tuple[str, ...]) -> None:
    name, *options = command
    result = run(name, capture, *options, "--keys", tmp_path / "keys.log")
    assert result.code == 2
    assert "--keys is for packet captures (.pcap, .pcapng); bot.gwcap is not one" in result.err


def test_a_key_log_that_is_not_there_is_told(run, tmp_path: Path, wired: Wired) -> None:
    path = tmp_path / "day.pcap"
    path.write_bytes(pcap(wired.packets))
    result = run("show", path, "--keys", tmp_path / "none")
    assert result.code == 2
    assert f"cannot read the key log {tmp_path / 'none'}: No such file or directory" in result.err
