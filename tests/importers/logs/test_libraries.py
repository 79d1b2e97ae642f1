"""Logs of libraries, line by line. What real ones wrote is in `test_real`."""

import json
from pathlib import Path

import pytest

from inspector.importers.logs import LogFile
from inspector.model import Frame, Knows, Mark, Plane
from tests.importers.logs.reading import ACK, HELLO, READY, opened, read, told

DISCORD_PY = "2026-01-31 12:00:00,250 DEBUG discord.gateway: "
EVENT = DISCORD_PY + "For Shard ID {}: WebSocket Event: {}\n"
HEARD = "{'t': None, 's': None, 'op': 10, 'd': {'heartbeat_interval': 41250}}"


def test_discord_pys_dicts_become_json(tmp_path: Path) -> None:
    body = """{'a': True, 'b': [None, False, -1.5e-07], "it's": 'say \\'"\\' \\x1b\\u2028'}"""
    event = f"{{'t': 'X', 's': 2, 'op': 0, 'd': {body}}}"
    happenings, notes = read(tmp_path, EVENT.format(None, HEARD) + EVENT.format(None, event))
    assert told(happenings)[2] == (
        '1 < {"t": "X", "s": 2, "op": 0, "d": {"a": true, "b": [null, false, -1.5e-07], '
        '"it\'s": "say \'\\"\' \\u001b\u2028"}}'
    )
    assert notes == ["the times in bot.log have no time zone; they are read as UTC"]


def test_a_payload_with_half_a_character_is_read(tmp_path: Path) -> None:
    event = repr({"t": "X", "s": 2, "op": 0, "d": "\ud83e"})
    happenings, _ = read(tmp_path, EVENT.format(None, HEARD) + EVENT.format(None, event))
    assert told(happenings)[2] == '1 < {"t": "X", "s": 2, "op": 0, "d": "\\ud83e"}'


def test_discord_py_tells_of_some_of_what_it_sends(tmp_path: Path) -> None:
    text = EVENT.format(None, HEARD) + "".join(
        f"{DISCORD_PY}{said}\n"
        for said in (
            "Keeping shard ID None websocket alive with sequence None.",
            "Keeping shard ID None websocket alive with sequence 7.",
            'Sending "{"op":3,"d":{"status":"idle"}}" to change status',
            "Updating our voice state to {'op': 4, 'd': {'self_mute': False}}.",
        )
    )
    happenings, _ = read(tmp_path, text)
    assert told(happenings)[2:-1] == [
        '1 > {"op":1,"d":null}',
        '1 > {"op":1,"d":7}',
        '1 > {"op":3,"d":{"status":"idle"}}',
        '1 > {"op": 4, "d": {"self_mute": false}}',
    ]
    assert opened(happenings)[0].knows == Knows.TIMES


@pytest.mark.parametrize(
    ("message", "expected"),
    [
        ("WSMessage(type=<WSMsgType.CLOSE: 8>, data=4000, extra='bye')", "1 close 4000 'bye' server"),
        ("WSMessage(type=<WSMsgType.CLOSED: 257>, data=None, extra=None)", "1 close 4000 '' client"),
        ("WSMessageClose(data=4000, size=2, extra='bye', type=<WSMsgType.CLOSE: 8>)", "1 close 4000 'bye' server"),
    ],
)
def test_discord_py_tells_who_closed(tmp_path: Path, message: str, expected: str) -> None:
    text = f"{DISCORD_PY}Received {message}\n{DISCORD_PY}Websocket closed with 4000, attempting a reconnect.\n"
    assert told(read(tmp_path, EVENT.format(None, HEARD) + text)[0])[2] == expected


def test_discord_py_names_the_shard_of_a_close_after_it(tmp_path: Path) -> None:
    text = EVENT.format(0, HEARD) + EVENT.format(1, HEARD)
    text += f"{DISCORD_PY}Websocket closed with 4000, attempting a reconnect.\n"
    text += f"{DISCORD_PY}Got a request to RESUME the websocket at Shard ID 1.\n"
    assert told(read(tmp_path, text)[0])[4] == "2 close 4000 '' None"


def test_discord_pys_calls_are_connections_of_their_own(tmp_path: Path) -> None:
    text = EVENT.format(None, HEARD)
    text += DISCORD_PY + "Sending voice websocket frame: {'op': 0, 'd': {'server_id': '1'}}.\n"
    text += DISCORD_PY + "Voice websocket frame received: {'op': 8, 'd': {'heartbeat_interval': 1}}\n"
    text += EVENT.format(None, "{'t': None, 's': None, 'op': 11, 'd': None}")
    happenings, _ = read(tmp_path, text)
    assert [each.plane for each in opened(happenings)] == [Plane.GATEWAY, Plane.VOICE]
    assert told(happenings)[3:6] == [
        '2 > {"op": 0, "d": {"server_id": "1"}}',
        '2 < {"op": 8, "d": {"heartbeat_interval": 1}}',
        '1 < {"t": null, "s": null, "op": 11, "d": null}',
    ]


@pytest.mark.parametrize(
    ("line", "expected"),
    [
        ("Sending voice websocket binary frame: 1a0102.", (True, b"\x1a\1\2")),
        ("Sending voice websocket frame (binary): 1a0102.", (True, b"\x1a\1\2")),
        ("Received binary message on voice websocket: 00041901", (False, b"\0\4\x19\1")),
        ("Voice websocket frame (binary) received: 00041901", (False, b"\0\4\x19\1")),
    ],
)
def test_binary_messages_of_calls_are_read_where_they_are_shown(
    tmp_path: Path, line: str, expected: tuple[bool, bytes]
) -> None:
    text = DISCORD_PY + "Sending voice websocket frame: {'op': 0, 'd': {'server_id': '1'}}.\n"
    happenings, _ = read(tmp_path, f"{text}{DISCORD_PY}{line}\n")
    binary = happenings[2]
    assert isinstance(binary, Frame)
    assert (binary.from_client, binary.data, binary.is_text) == (*expected, False)


def test_a_dict_that_is_not_one_is_named_by_its_line(tmp_path: Path) -> None:
    happenings, notes = read(
        tmp_path, EVENT.format(None, HEARD) + EVENT.format(None, "{'t': 'X', 's': <object>, 'op': 0}")
    )
    assert len(happenings) == 3
    assert notes[0] == "line 2 of bot.log was skipped: its payload is not a dict as Python shows it, or not all of it"


def test_a_dict_of_any_depth_is_read_or_named(tmp_path: Path) -> None:
    deep = "{'t': 'X', 's': 1, 'op': 0, 'd': " + "[" * 200_000
    _, notes = read(tmp_path, EVENT.format(None, HEARD) + EVENT.format(None, deep + "]" * 200_000 + "}"))
    assert len(notes) == 2


HIKARI = "T 2026-01-31 12:00:00,250 hikari.gateway.3: "


@pytest.mark.parametrize("shown", [repr(HELLO.encode()), HELLO])
def test_hikaris_payloads_are_below_their_announcement(tmp_path: Path, shown: str) -> None:
    happenings, _ = read(tmp_path, f"{HIKARI}received payload with size 60\n    {shown}\n")
    assert told(happenings)[1] == f"1 < {HELLO}"


def test_hikaris_bytes_are_undone(tmp_path: Path) -> None:
    payload = '{"t":"X","s":1,"op":0,"d":"zoë \' \\" \\\\ 🦊"}'
    happenings, _ = read(tmp_path, f"{HIKARI}received payload with size 60\n    {payload.encode()!r}\n")
    assert told(happenings)[1] == f"1 < {payload}"


@pytest.mark.parametrize(
    ("line", "expected"),
    [
        ("sending close frame with code 3000 and message b'bye'", "1 close 3000 'bye' client"),
        ("sending close frame with code GOING_AWAY and message b'bye'", "1 close 1001 'bye' client"),
        ("server has closed the connection permanently [code:4004, reason:Nope.]", "1 close 4004 'Nope.' server"),
        (
            "server has closed the connection, will attempt to reconnect [code:1000, reason:None]",
            "1 close 1000 '' server",
        ),
        ("connection got reset by server. Will retry shortly", "1 close 1006 '' None"),
    ],
)
def test_hikari_tells_how_a_connection_ended(tmp_path: Path, line: str, expected: str) -> None:
    text = f"{HIKARI}received payload with size 60\n    {HELLO!r}\n".replace("'{", "b'{") + f"{HIKARI}{line}\n"
    assert told(read(tmp_path, text)[0])[2] == expected


@pytest.mark.parametrize(
    ("said", "expected"),
    [
        (
            '{"op":2,"d":{"token":"**REDACTED TOKEN**","intents":1}}',
            '{"op":2,"d":{"token":"******************","intents":1}}',
        ),
        ('{"op":6,"d":{"token":"[REMOVED]","seq":1}}', '{"op":6,"d":{"token":"*********","seq":1}}'),
        ('{"op":6,"d":{"seq":1}}', '{"op":6,"d":{"token":"********","seq":1}}'),
        ('{"op":6,"d":{"token":"REDACTED"}}', '{"op":6,"d":{"token":"********"}}'),
        ('{"op":6,"d":{"token":"masked-12345678***"}}', '{"op":6,"d":{"token":"masked-12345678***"}}'),
        ('{"op":6,"d":{"token":"not-a-real-token"}}', '{"op":6,"d":{"token":"not-a-real-token"}}'),
    ],
)
def test_what_stands_for_a_token_is_no_token(tmp_path: Path, said: str, expected: str) -> None:
    """It is the same for all bots, and would make one of them."""
    happenings, _ = read(tmp_path, f"{HELLO}\n{said}\n")
    assert told(happenings)[2] == f"1 > {expected}"
    assert isinstance(happenings[2], Frame)
    assert happenings[2].marks == (Mark.NONE if said == expected else Mark.REDACTED)


DISCORD_JS = "[WS => Shard 0] "
CONNECTING = f"{DISCORD_JS}Connecting to wss://gateway.discord.gg/?v=10&encoding=json\n"


def test_discord_js_tells_where_connections_begin(tmp_path: Path) -> None:
    happenings, _ = read(tmp_path, f"{CONNECTING}{READY}\n{CONNECTING}{READY}\n")
    assert told(happenings)[:4] == [
        "1 open wss://gateway.discord.gg/?v=10&encoding=json",
        f"1 < {READY}",
        "1 close None '' None",
        "2 open wss://gateway.discord.gg/?v=10&encoding=json",
    ]


@pytest.mark.parametrize(
    ("needs_closing", "expected"), [("true", "1 close 4200 'Zombie' client"), ("false", "1 close 4200 '' server")]
)
def test_discord_js_tells_who_closed(tmp_path: Path, needs_closing: str, expected: str) -> None:
    text = f"{CONNECTING}{READY}\n{DISCORD_JS}Destroying shard\n\tReason: Zombie\n\tCode: 4200\n\tRecover: Resume\n"
    text += f"{DISCORD_JS}Connection status during destroy\n\tNeeds closing: {needs_closing}\n\tReady state: 1\n"
    assert told(read(tmp_path, text)[0])[2] == expected


def test_discord_js_tells_of_a_close_for_good(tmp_path: Path) -> None:
    text = f"{CONNECTING}{DISCORD_JS}Shard not recoverable: 4014 (DisallowedIntents)\n"
    assert told(read(tmp_path, text)[0])[1] == "1 close 4014 '' server"


def test_what_console_log_shows_of_a_payload_is_named(tmp_path: Path) -> None:
    happenings, notes = read(tmp_path, f"{CONNECTING}{{\n  t: 'READY',\n  s: 1,\n  op: 0,\n  d: [Object]\n}}\n")
    assert len(happenings) == 2
    assert notes[0] == (
        "line 3 of bot.log was skipped: its payload was printed by console.log, which leaves out most of it; print "
        "JSON.stringify(packet)"
    )


def test_eris_tells_how_a_connection_ended(tmp_path: Path) -> None:
    text = f"{HELLO}\nUnclean WS close: 4004: Authentication failed. 0\n"
    assert told(read(tmp_path, text)[0])[2] == "1 close 4004 'Authentication failed. 0' server"


def test_discord_js_tells_of_acks(tmp_path: Path) -> None:
    text = f"{CONNECTING}{DISCORD_JS}Heartbeat acknowledged, latency of 32ms.\n"
    assert told(read(tmp_path, text)[0])[1] == '1 < {"op":11}'


def test_discord_js_13_is_read_too(tmp_path: Path) -> None:
    text = (
        f"{DISCORD_JS}[CONNECT]\n    Gateway    : wss://gateway.discord.gg/\n    Version    : 9\n"
        f"    Encoding   : json\n    Compression: none\n{DISCORD_JS}[CONNECTED] Took 90ms\n{HELLO}\n{ACK}\n"
        f"{DISCORD_JS}Heartbeat acknowledged, latency of 32ms.\n"
        f"{DISCORD_JS}[CLOSE]\n    Event Code: 4004\n    Clean     : true\n    Reason    : Authentication failed.\n"
    )
    assert told(read(tmp_path, text)[0]) == [
        *(
            "1 open wss://gateway.discord.gg/",
            f"1 < {HELLO}",
            f"1 < {ACK}",
            "1 close 4004 'Authentication failed.' None",
        ),
    ]


def test_lines_in_the_records_of_a_logger_are_read(tmp_path: Path) -> None:
    announced, payload = "hikari.gateway.0: received payload with size 60", f"    {HELLO.encode()!r}"
    docker = "".join(
        json.dumps({"log": f"{line}\n", "stream": "stdout", "time": "2026-01-31T12:00:00.123456789Z"}) + "\n"
        for line in (announced, payload)
    )
    structured = json.dumps({"level": "trace", "ts": 1_769_860_800_123, "msg": f"{announced}\n{payload}"})
    for text, nanoseconds in ((docker, 123_456_789), (structured, 123_000_000)):
        happenings, notes = read(tmp_path, text)
        assert told(happenings)[1] == f"1 < {HELLO}"
        assert happenings[1].at_ns == 1_769_860_800_000_000_000 + nanoseconds
        assert "time zone" not in "".join(notes)


def test_colours_and_utf_16_do_not_matter(tmp_path: Path) -> None:
    line = f"\x1b[30;1m2026-01-31 12:00:00\x1b[0m \x1b[40;1mDEBUG   \x1b[0m \x1b[35mdiscord.gateway\x1b[0m {EVENT[42:]}"
    happenings, _ = read(tmp_path, line.format(None, HEARD).encode("utf-16"))
    assert len(happenings) == 3


@pytest.mark.parametrize(
    "text", ["discord.gateway", "a log\nof something\n", "[WS => ", "hikari.gateway.0: shard is ready"]
)
def test_text_without_payloads_is_left_alone(text: str) -> None:
    assert not LogFile.recognizes(text.encode())
