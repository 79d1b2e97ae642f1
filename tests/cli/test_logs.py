"""Logs and archives on the command line, and what the user says of their fields."""

import json
from pathlib import Path

import pytest

from tests.importers.logs.record import REAL

HELLO = {"op": 10, "d": {"heartbeat_interval": 41250}}
IDENTIFY = {"op": 2, "d": {"token": "MTIzNDU2Nzg5MDEyMzQ1Njc4.Gabcde.very-secret-indeed", "properties": {}}}


@pytest.mark.parametrize("name", ["discordpy.log", "hikari.log", "discordjs.log", "eris.log", "discordless.zip"])
def test_a_log_is_shown_like_a_capture(run, name: str) -> None:
    result = run("show", REAL / name)
    assert result.code == 0
    assert "READY" in result.out


def test_the_folder_of_discordless_is_one_recording(run, tmp_path: Path) -> None:
    (tmp_path / "traffic_archive" / "gateways").mkdir(parents=True)
    message = json.dumps(HELLO).encode()
    (tmp_path / "traffic_archive" / "gateway_index").write_text("1800000000.5 https://gateway.discord.gg/?v=10 0\n")
    (tmp_path / "traffic_archive" / "gateways" / "0_data").write_bytes(message)
    (tmp_path / "traffic_archive" / "gateways" / "0_timeline").write_text(f"1800000000.75 {len(message)}\n")
    for name in ("show", "diagnose", "stats"):
        assert run(name, tmp_path / "traffic_archive").code == 0
    converted = run("convert", tmp_path / "traffic_archive", "-o", tmp_path / "day.gwcap")
    assert converted.code == 0


def test_the_detail_of_an_opening_lists_what_a_log_lacks(run) -> None:
    rows = [json.loads(line) for line in run("show", REAL / "discordpy.log", "--format", "jsonl").out.splitlines()]
    assert {row["close"]["by"] for row in rows if row["kind"] == "close"} == {"client"}


@pytest.mark.parametrize("options", [(), ("--no-cache",)])
def test_fields_have_the_names_that_the_user_says(run, tmp_path: Path, options: tuple[str, ...]) -> None:
    log = tmp_path / "bot.jsonl"
    log.write_text(json.dumps({"w": {"at": 1_769_860_800_500}, "x": {"y": HELLO}}) + "\n")
    assert run("show", log).code == 2
    result = run("show", log, "--map", "payload=x.y", "--map", "at=w.at", *options)
    assert (result.code, "12:00:00.500" in result.out) == (0, True)


def test_an_import_is_made_again_for_other_fields(run, tmp_path: Path) -> None:
    log = tmp_path / "bot.jsonl"
    log.write_text(json.dumps({"a": HELLO, "b": {"op": 11}}) + "\n")
    assert "Hello" in run("show", log, "--map", "payload=a").out
    assert "Heartbeat ACK" in run("show", log, "--map", "payload=b").out


@pytest.mark.parametrize("said", ["payload", "payload=", "=x", "nothing=x"])
def test_a_field_that_is_not_named_well_is_told(run, tmp_path: Path, said: str) -> None:
    (tmp_path / "bot.jsonl").write_text(json.dumps(HELLO))
    result = run("show", tmp_path / "bot.jsonl", "--map", said)
    assert result.code == 2
    assert f"--map {said} is not WHAT=FIELD; WHAT is one of payload, at, direction, shard," in result.err


def test_fields_without_a_log_are_told(run, capture: Path) -> None:
    result = run("show", capture, "--map", "payload=x")
    assert result.code == 2
    assert "--map is for logs with JSON records; bot.gwcap is not one" in result.err


def test_a_log_without_payloads_is_named(run, tmp_path: Path) -> None:
    (tmp_path / "random.log").write_text("2026-01-31 12:00:00 INFO nothing of Discord's\n")
    result = run("show", tmp_path / "random.log")
    assert result.code == 2
    assert "random.log is text; gwinspect reads" in result.err


def test_the_token_of_a_log_is_masked_in_its_capture(run, tmp_path: Path) -> None:
    token = IDENTIFY["d"]["token"]
    (tmp_path / "bot.jsonl").write_text(json.dumps(HELLO) + "\n" + json.dumps(IDENTIFY) + "\n")
    assert token not in run("show", tmp_path / "bot.jsonl", "--format", "jsonl", "--raw").out
    run("convert", tmp_path / "bot.jsonl", "-o", tmp_path / "bot.gwcap")
    assert token.encode() not in (tmp_path / "bot.gwcap").read_bytes()
