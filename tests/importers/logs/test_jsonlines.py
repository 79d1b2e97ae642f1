"""Payloads as JSON Lines: alone, in records, behind text."""

import json
from pathlib import Path
from typing import Any

import pytest

from inspector.model import Knows, Plane
from tests.importers.logs.reading import ACK, BEAT, HELLO, IDENTIFY, READY, TALK, opened, read, told

NOON = 1_769_860_800


def lines(*payloads: str, **more: Any) -> str:
    before = json.dumps(more)[:-1] + ", " if more else "{"
    return "".join(f'{before}"data": {payload}}}\n' for payload in payloads)


def test_payloads_alone_tell_who_sent_them(tmp_path: Path) -> None:
    happenings, notes = read(tmp_path, "\n".join(TALK))
    assert told(happenings) == [
        *("1 open", f"1 < {HELLO}", f"1 > {IDENTIFY}", f"1 < {READY}", f"1 > {BEAT}", f"1 < {ACK}"),
        "1 close None '' None",
    ]
    assert opened(happenings)[0].knows == Knows.BOTH_SIDES
    assert notes == ["bot.log has no times: how long anything took is not known"]


def test_a_heartbeat_with_all_keys_is_the_servers(tmp_path: Path) -> None:
    asked = '{"t":null,"s":null,"op":1,"d":null}'
    assert f"1 < {asked}" in told(read(tmp_path, f"{HELLO}\n{asked}\n")[0])


def test_a_payload_keeps_every_digit_and_space(tmp_path: Path) -> None:
    odd = '{"t":"READY", "s": 1,"op":0,"d":{"big":123456789012345678901234567890,"tiny":1.10e-7}}'
    happenings, _ = read(tmp_path, lines(odd, dir="in"))
    assert told(happenings)[1] == f"1 < {odd}"


@pytest.mark.parametrize(
    ("written", "ns"),
    [
        ("2026-01-31T12:00:00.123456789Z", 123_456_789),
        ("2026-01-31 14:00:00,123+02:00", 123_000_000),
        (NOON * 1000 + 123, 123_000_000),
        (NOON + 0.123, 123_000_000),
        (NOON * 1_000_000 + 123_456, 123_456_000),
        (NOON * 1_000_000_000 + 123_456_789, 123_456_789),
        (f"{NOON}.123", 123_000_000),
    ],
)
def test_times_are_read_in_every_usual_form(tmp_path: Path, written: str | float, ns: int) -> None:
    happenings, _ = read(tmp_path, lines(*TALK, time=written, direction="receive"))
    assert happenings[1].at_ns == NOON * 1_000_000_000 + ns
    assert Knows.TIMES in opened(happenings)[0].knows


def test_times_of_seconds_are_too_coarse_to_be_judged_by(tmp_path: Path) -> None:
    happenings, notes = read(tmp_path, lines(*TALK, time="2026-01-31 12:00:00"))
    assert happenings[1].at_ns == NOON * 1_000_000_000
    assert Knows.TIMES not in opened(happenings)[0].knows
    assert notes == [
        "the times in bot.log are whole seconds, which is too coarse to judge by",
        "the times in bot.log have no time zone; they are read as UTC",
    ]


@pytest.mark.parametrize("word", ["send", "OUT", "client", ">", "tx", "→", "sent"])
def test_words_say_that_the_client_sent_it(tmp_path: Path, word: str) -> None:
    assert told(read(tmp_path, lines(HELLO, type="receive") + lines(ACK, type=word))[0])[2] == f"1 > {ACK}"


@pytest.mark.parametrize("more", [{"from_client": True}, {"incoming": False}, {"outgoing": True}])
def test_flags_say_that_the_client_sent_it(tmp_path: Path, more: dict[str, bool]) -> None:
    assert told(read(tmp_path, lines(HELLO) + lines(ACK, **more))[0])[2] == f"1 > {ACK}"


def test_shards_have_connections_of_their_own(tmp_path: Path) -> None:
    text = lines(HELLO, shard=0) + lines(HELLO, shard=1) + lines(READY, shard=0) + lines(IDENTIFY, shard=1)
    assert told(read(tmp_path, text)[0])[:6] == [
        *("1 open", f"1 < {HELLO}", "2 open", f"2 < {HELLO}"),
        *(f"1 < {READY}", f"2 > {IDENTIFY}"),
    ]


def test_each_hello_begins_another_connection(tmp_path: Path) -> None:
    happenings, _ = read(tmp_path, "\n".join((HELLO, READY, HELLO, ACK)))
    assert told(happenings)[3:6] == ["1 close None '' None", "2 open", f"2 < {HELLO}"]


def test_a_log_without_times_that_begins_late_says_both(tmp_path: Path) -> None:
    (connection,) = opened(read(tmp_path, f"{READY}\n{ACK}\n")[0])
    assert (connection.joined_late, connection.knows) == (True, Knows.NOTHING)


def test_without_hellos_each_ready_does(tmp_path: Path) -> None:
    happenings, _ = read(tmp_path, "\n".join((READY, READY)))
    assert told(happenings)[2:5] == ["1 close None '' None", "2 open", f"2 < {READY}"]
    assert all(each.joined_late for each in opened(happenings))


def test_acks_without_heartbeats_show_that_the_log_leaves_heartbeats_out(tmp_path: Path) -> None:
    assert Knows.BOTH_SIDES in opened(read(tmp_path, "\n".join(TALK))[0])[0].knows
    without = [each for each in TALK if each != BEAT]
    assert Knows.BOTH_SIDES not in opened(read(tmp_path, "\n".join(without))[0])[0].knows


def test_a_close_has_its_code(tmp_path: Path) -> None:
    text = lines(HELLO) + '{"event":"close","code":4004,"reason":"Authentication failed."}\n'
    happenings, _ = read(tmp_path, text)
    assert told(happenings)[2:] == ["1 close 4004 'Authentication failed.' None"]
    assert Knows.END in opened(happenings)[0].knows


def test_a_close_says_who_closed(tmp_path: Path) -> None:
    text = lines(HELLO) + '{"event":"closed","code":1000,"by":"client"}\n'
    assert told(read(tmp_path, text)[0])[2:] == ["1 close 1000 '' client"]


def test_a_date_in_a_payload_is_not_the_time_of_its_line(tmp_path: Path) -> None:
    payload = '{"op":0,"s":1,"t":"READY","d":{"at":"2026-01-31T12:00:00.000Z"}}'
    happenings, _ = read(tmp_path, payload)
    assert (happenings[1].at_ns, opened(happenings)[0].knows & Knows.TIMES) == (0, Knows.NOTHING)


def test_the_url_and_the_plane_are_taken_where_they_are_there(tmp_path: Path) -> None:
    url = "wss://us-east1.discord.media/?v=8"
    happenings, _ = read(tmp_path, lines(HELLO) + lines('{"op":3,"d":1}', connection=2, url=url))
    first, second = opened(happenings)
    assert (first.plane, second.plane, second.url) == (Plane.GATEWAY, Plane.VOICE, url)


def test_a_payload_within_text_of_a_record_is_found_under_any_name(tmp_path: Path) -> None:
    assert told(read(tmp_path, json.dumps({"odd": HELLO}))[0])[1] == f"1 < {HELLO}"


def test_what_else_is_in_a_payload_is_the_records(tmp_path: Path) -> None:
    happenings, _ = read(tmp_path, '{"shard":3,"at":"2026-01-31T12:00:00.5Z","op":10,"d":{"heartbeat_interval":1}}')
    assert told(happenings)[1] == '1 < {"op":10,"d":{"heartbeat_interval":1}}'
    assert happenings[1].at_ns == NOON * 1_000_000_000 + 500_000_000


def test_the_user_says_what_the_fields_are(tmp_path: Path) -> None:
    record = {"w": {"when": NOON * 1000}, "who": "x", "to.server": True}
    text = json.dumps(record)[:-1] + f', "what": {BEAT}}}\n'
    names = {"payload": "what", "at": "w.when", "direction": "to.server", "shard": "who"}
    happenings, _ = read(tmp_path, text, **names)
    assert told(happenings)[1] == f"1 > {BEAT}"
    assert happenings[1].at_ns == NOON * 1_000_000_000


def test_a_record_without_the_field_that_was_named_is_skipped(tmp_path: Path) -> None:
    happenings, notes = read(tmp_path, lines(HELLO) + '{"what":{"a":1}}\n', payload="what")
    assert happenings == []
    assert notes[:2] == [
        "line 2 of bot.log was skipped: its payload in the field what is not a gateway's",
        "1 line was skipped: it has no message of a gateway",
    ]


@pytest.mark.parametrize(
    ("before", "expected"),
    [
        ("DEBUG:bot:RECV ", "1 < {}"),
        ("2026-01-31 12:00:00.250 [shard 3] >> ", "1 > {}"),
        ("INFO:my.client: received ", "1 < {}"),
        ("", "1 > {}"),
    ],
)
def test_payloads_are_found_behind_text(tmp_path: Path, before: str, expected: str) -> None:
    happenings, _ = read(tmp_path, f"starting\n{before}{HELLO}\n{before}{BEAT}\n")
    assert told(happenings)[1:3] == [f"1 < {HELLO}", expected.format(BEAT)]


@pytest.mark.parametrize("body", ['"\\ud83e"', "NaN", '{"a":1e999}'])
def test_a_payload_that_is_not_json_proper_is_read(tmp_path: Path, body: str) -> None:
    odd = f'{{"t":"X","s":2,"op":0,"d":{body}}}'
    assert told(read(tmp_path, f"{HELLO}\n{odd}\nrecv {odd}\n")[0])[2:4] == [f"1 < {odd}"] * 2


def test_a_payload_that_breaks_off_is_named_by_its_line(tmp_path: Path) -> None:
    happenings, notes = read(tmp_path, f"{HELLO}\n" + '{"t":"READY","s":1,"op":0,"d":{"v":1')
    assert len(happenings) == 3
    assert notes[0] == "line 2 of bot.log was skipped: its payload is not whole JSON"


def test_a_first_line_that_is_longer_than_a_head_is_recognized(tmp_path: Path) -> None:
    ready = '{"t":"READY","s":1,"op":0,"d":{"x":"' + "x" * 100_000 + '"}}'
    for text in (ready, lines(ready, shard=1), json.dumps({"packet": ready})):
        assert told(read(tmp_path, text)[0])[1] == f"1 < {ready}"


@pytest.mark.parametrize(
    "text", ['{"op":0,"d":{"obsWebSocketVersion":"5"}}', '{"op":"hello"}', '{"op":1,"d":{}}', "{}"]
)
def test_json_of_other_protocols_is_left_alone(tmp_path: Path, text: str) -> None:
    from inspector.importers.logs import LogFile

    assert not LogFile.recognizes(text.encode())
