"""Voice calls: which connections belong together, what came of each attempt, and bounds, however a capture is read."""

import sqlite3
from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from inspector.analysis import voice, voice_call
from inspector.analysis.handshake import Handshake
from inspector.analysis.voice import VoiceCalls, VoiceReader
from inspector.errors import CaptureError
from inspector.model import Happening, Plane, Severity
from inspector.protocol.registry import default
from inspector.store.reader import Reader
from inspector.store.writer import Writer
from sample_captures.make import HERE, SAMPLES
from tests.conversation import Conversation
from tests.voice_call import (
    CHANNEL,
    GUILD,
    HOST,
    MS,
    TOKEN,
    asks,
    encrypted,
    introduced,
    join,
    let_in,
    logged_in,
    offers_keys,
    together,
    voice_server,
    voice_state,
    whole_call,
    written,
)
from tests.voice_call import voice as talk_of_voice


def read(path: Path, limit: int = voice.SLICE) -> VoiceCalls:
    reader = Reader(path)
    found = VoiceReader(reader)
    while found.advance(limit):
        pass
    reader.close()
    return found.snapshot()


@pytest.fixture
def read_of(tmp_path: Path) -> Callable[..., VoiceCalls]:
    """Return what reads conversations that pass side by side."""

    def read_all(*talks: Conversation) -> VoiceCalls:
        return read(written(tmp_path / f"{len([*tmp_path.iterdir()])}.gwcap", together(*talks)))

    return read_all


def keys(shaken: Handshake) -> list[str]:
    return [("no " if step.row is None else "") + step.key for step in shaken.steps]


def test_a_handshake_goes_from_the_join_to_the_first_transition(tmp_path: Path) -> None:
    (call,) = read(written(tmp_path / "a.gwcap", whole_call())).calls
    assert (call.main, call.server, call.connections) == (1, GUILD, (2,))
    (shaken,) = call.handshakes
    assert keys(shaken) == [
        "ask", "state", "server", "open", "hello", "identify", "ready", "select", "describe", "sender", "package",
        "propose", "commit", "announce", "close",
    ]  # fmt: skip
    assert (shaken.outcome, shaken.code, shaken.by) == ("established", 4014, "server")
    assert shaken.end_ns - shaken.start_ns == 170_000_000
    assert [step.row for step in shaken.steps[:5]] == [5, 6, 7, 8, 9]
    assert [step.connection for step in shaken.steps[:5]] == [1, 1, 1, 2, 2]
    ready = shaken.steps[6]
    assert (ready.end_ns - ready.start_ns, ready.from_client) == (10_000_000, False)
    assert (shaken.steps[-1].later, shaken.cause[-1]) == (True, ".")


def test_what_was_due_and_did_not_come_has_a_step_without_a_row(read_of: Callable[..., VoiceCalls]) -> None:
    talk = introduced(talk_of_voice()).closes(4017, "E2EE required", "server")
    (shaken,) = read_of(asks(logged_in()), talk).calls[0].handshakes
    assert keys(shaken)[-3:] == ["identify", "no ready", "close"]
    assert (shaken.outcome, shaken.closed, shaken.code) == ("failed", True, 4017)


def test_a_key_package_that_never_came_is_missing_and_the_next_proposals_are_not(
    read_of: Callable[..., VoiceCalls],
) -> None:
    talk = let_in(introduced(talk_of_voice())).waits(60_000).closes(1000)
    (shaken,) = read_of(asks(logged_in()), talk).calls[0].handshakes
    assert keys(shaken)[-4:] == ["describe", "no sender", "no package", "close"]
    assert shaken.outcome == "established"
    # Half a minute later is no time of the handshake's own.
    assert shaken.steps[-1].later


def test_without_dave_nothing_of_it_is_due(read_of: Callable[..., VoiceCalls]) -> None:
    (shaken,) = read_of(asks(logged_in()), let_in(introduced(talk_of_voice(), dave=0), dave=0)).calls[0].handshakes
    assert keys(shaken)[-1] == "describe"


def test_whoever_is_alone_waits_for_nobody(read_of: Callable[..., VoiceCalls]) -> None:
    talk = offers_keys(let_in(introduced(talk_of_voice())))
    talk.waits(60_000).client({"op": 5, "d": {"speaking": 1, "ssrc": 1}})
    (shaken,) = read_of(asks(logged_in()), talk).calls[0].handshakes
    assert keys(shaken)[-2:] == ["package", "speak"]
    assert [step.later for step in shaken.steps[-2:]] == [False, True]
    assert shaken.end_ns - shaken.start_ns < 1_000_000_000


def test_attempts_one_after_the_other_are_one_call(read_of: Callable[..., VoiceCalls]) -> None:
    main = asks(logged_in())
    first = introduced(talk_of_voice(2, 100)).closes(4017, "", "server")
    main.waits(400)
    asks(main)
    second = introduced(talk_of_voice(3, 700)).closes(4017, "", "server")
    main.waits(900).client(join())
    (call,) = read_of(main, first, second).calls
    assert [(each.connection, each.outcome, keys(each)[0]) for each in call.handshakes] == [
        (2, "failed", "ask"), (3, "failed", "ask"), (None, "under way", "ask"),
    ]  # fmt: skip
    assert keys(call.handshakes[-1]) == ["ask", "no state", "no server"]


def test_a_resume_belongs_to_the_call_and_takes_its_group_over(read_of: Callable[..., VoiceCalls]) -> None:
    first = encrypted(talk_of_voice()).closes(4015, "", "server")
    again = talk_of_voice(3, 500).server({"op": 8, "d": {"heartbeat_interval": 13750}})
    again.client({"op": 7, "d": {"server_id": GUILD, "token": TOKEN}}).server({"op": 9, "d": None})
    (call,) = read_of(asks(logged_in()), first, again).calls
    assert [each.outcome for each in call.handshakes] == ["established", "resumed"]
    assert keys(call.handshakes[1]) == ["open", "hello", "resume", "resumed"]
    assert [(change.state, change.epoch) for change in call.dave.changes] == [
        ("forming", None), ("group", 1), ("apart", None), ("group", 1),
    ]  # fmt: skip


def test_a_join_after_a_leave_is_another_call(read_of: Callable[..., VoiceCalls]) -> None:
    main = asks(logged_in())
    first = let_in(introduced(talk_of_voice(), dave=0), dave=0).closes(1000)
    main.waits(400).client(join(None)).server(voice_state(None))
    asks(main)
    second = introduced(talk_of_voice(3, 600))
    calls = read_of(main, first, second).calls
    assert [call.connections for call in calls] == [(2,), (3,)]
    # The row of the second op 4, and one before all calls.
    assert read_of(main, first, second).at(calls[1].first_row) == (1, 0)
    assert read_of(main, first, second).at(1) is None


def test_muting_oneself_is_no_attempt_and_others_voice_states_are_not_looked_at(
    read_of: Callable[..., VoiceCalls],
) -> None:
    main = asks(logged_in())
    main.waits(400).client(join()).server(voice_state(CHANNEL)).server(voice_state(CHANNEL, user="1180000000000000009"))
    (call,) = read_of(main, let_in(introduced(talk_of_voice(), dave=0), dave=0)).calls
    assert len(call.handshakes) == 1


def test_a_server_that_nobody_connects_to_is_an_attempt(read_of: Callable[..., VoiceCalls]) -> None:
    (call,) = read_of(asks(logged_in())).calls
    assert keys(call.handshakes[0]) == ["ask", "state", "server", "no open"]
    (call,) = read_of(logged_in().client(join()).server(voice_state(CHANNEL)).server(voice_server(3, None))).calls
    assert keys(call.handshakes[0]) == ["ask", "state", "server"]


def test_a_refused_connection_stands_with_the_call_of_its_host(read_of: Callable[..., VoiceCalls]) -> None:
    refused = Conversation(plane=Plane.VOICE, url=f"wss://{HOST}/?v=8", connection=2, at_ns=talk_of_voice()._at_ns)
    (call,) = read_of(asks(logged_in()), refused.opens(status=502, refusal="bad gateway")).calls
    (shaken,) = call.handshakes
    assert (keys(shaken)[-1], shaken.refusal, shaken.outcome) == ("open", "bad gateway", "failed")


def test_two_guilds_on_one_host_are_told_apart_once_the_connection_says_where_it_belongs(
    read_of: Callable[..., VoiceCalls],
) -> None:
    main = asks(logged_in())
    other = {**join(), "d": {"guild_id": "1180000000000000043", "channel_id": "1180000000000000061"}}
    main.client(other)
    (first, second) = read_of(main, introduced(talk_of_voice(), server="1180000000000000043")).calls
    assert (first.server, first.connections, second.connections) == (GUILD, (), (2,))
    assert keys(first.handshakes[0]) == ["ask", "state", "server", "no open"]


def test_a_recording_that_begins_later_misses_nothing(read_of: Callable[..., VoiceCalls]) -> None:
    talk = Conversation(plane=Plane.VOICE, url=f"wss://{HOST}/?v=8", connection=2).opens(joined_late=True)
    talk.client({"op": 5, "d": {"speaking": 1, "ssrc": 1}}).closes(1000)
    (call,) = read_of(talk).calls
    assert (call.server, call.handshakes[0].outcome) == (None, "not recorded")
    assert "no " not in " ".join(keys(call.handshakes[0]))


def test_findings_on_voice_connections_are_violations(tmp_path: Path) -> None:
    (call,) = read(written(tmp_path / "a.gwcap", whole_call())).calls
    assert [each.rule for each in call.violations] == [
        "dave-executed-unready", "dave-downgrade", "dave-passthrough", "voice-close-4014"
    ]  # fmt: skip
    assert call.severity(call.violations[0].row) is Severity.ERROR
    assert call.severity(1) is None


def test_ip_discovery_stands_between_ready_and_select_protocol(read_of: Callable[..., VoiceCalls]) -> None:
    talk = introduced(talk_of_voice(), dave=0)
    talk.server({"op": 2, "d": {"ssrc": 1001, "ip": "127.0.0.1", "port": 50001}}).waits(100)
    talk.client({"op": 1, "d": {"protocol": "udp"}})
    at_ns = talk.happenings[3].at_ns + MS
    media = Conversation(plane=Plane.MEDIA, url="udp://127.0.0.1:50001", connection=3, at_ns=at_ns).opens()
    media.frame(bytes.fromhex("00010046000003e9") + bytes(66), from_client=True)
    media.frame(bytes.fromhex("00020046000003e9") + b"203.0.113.1" + bytes(53) + bytes.fromhex("c351"))
    (shaken,) = read_of(asks(logged_in()), talk, media).calls[0].handshakes
    assert [(step.key, step.side, step.connection) for step in shaken.steps[6:10]] == [
        ("ready", "voice", 2), ("discover", "udp", 3), ("discovered", "udp", 3), ("select", "voice", 2),
    ]  # fmt: skip


@pytest.mark.parametrize("limit", [1, 7])
@pytest.mark.parametrize("name", [*(name for name in SAMPLES if "voice" in name), "whole"])
def test_a_capture_read_in_slices_is_the_same_as_read_at_once(
    name: str, limit: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = written(tmp_path / "a.gwcap", whole_call()) if name == "whole" else HERE / f"{name}.gwcap"
    once = read(path)
    monkeypatch.setattr(voice, "READ", 3)
    assert read(path, limit) == once


def test_a_capture_that_grows_ends_as_one_that_does_not(tmp_path: Path) -> None:
    writer = Writer(tmp_path / "a.gwcap", default(), made_by="test")
    reader = Reader(tmp_path / "a.gwcap")
    found = VoiceReader(reader)
    assert found.snapshot() == VoiceCalls()
    for happening in whole_call():
        writer.write([happening])
        while found.advance():
            pass
        found.snapshot()
    writer.finish()
    while found.advance():
        pass
    assert found.snapshot() == read(tmp_path / "a.gwcap")
    reader.close()


def test_what_has_not_changed_is_not_made_anew(tmp_path: Path) -> None:
    reader = Reader(written(tmp_path / "a.gwcap", whole_call()))
    found = VoiceReader(reader)
    while found.advance():
        pass
    assert found.snapshot().calls[0] is found.snapshot().calls[0]
    reader.close()


def test_whatever_comes_what_is_kept_has_a_bound(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for module, name, most in ((voice, "MOST_CALLS", 3), (voice, "MOST_SOCKETS", 4), (voice_call, "MOST_ATTEMPTS", 3)):
        monkeypatch.setattr(module, name, most)
    talks = [introduced(talk_of_voice(number, number * 100)).closes(4017, "", "server") for number in range(2, 12)]
    talks += [introduced(talk_of_voice(number, number * 100), server=str(number)) for number in range(12, 20)]
    calls = read(written(tmp_path / "a.gwcap", together(*talks))).calls
    assert len(calls) == 3
    assert all(len(call.handshakes) <= 3 for call in calls)
    (call,) = read(written(tmp_path / "b.gwcap", together(*talks[:10]))).calls
    # All at once, so that none has said where it belongs before the next opens.
    crowd = [introduced(talk_of_voice(number, number), server=str(number % 3)) for number in range(2, 12)]
    assert len(read(written(tmp_path / "c.gwcap", together(*crowd))).calls) <= 3
    assert (call.left_out, call.handshakes[0].connection, len(call.handshakes)) == (7, 2, 3)


ODD = st.none() | st.integers() | st.text(max_size=2) | st.lists(st.integers(), max_size=2)
BODIES = ODD | st.dictionaries(
    st.sampled_from(["server_id", "user_id", "transition_id", "epoch", "user_ids", "guild_id", "endpoint"]),
    ODD,
    max_size=4,
)


@given(st.lists(st.tuples(st.booleans(), st.booleans(), st.integers(0, 33), BODIES), max_size=8))
def test_no_payload_is_too_odd(tmp_path_factory: pytest.TempPathFactory, steps: list) -> None:
    main, talk = logged_in(), talk_of_voice()
    for on_main, from_client, op, d in steps:
        payload = {"op": op, "d": d, "t": "VOICE_SERVER_UPDATE" if on_main and not op else None}
        there = main if on_main else talk
        (there.client if from_client else there.server)(payload)
    read(written(tmp_path_factory.mktemp("odd") / "a.gwcap", together(main, talk)))


def test_a_damaged_capture_says_so(tmp_path: Path) -> None:
    happenings: list[Happening] = whole_call()
    path = written(tmp_path / "a.gwcap", happenings)
    db = sqlite3.connect(path)
    db.execute("update event set at = 'noon' where plane = 'voice'")
    db.commit()
    db.close()
    with pytest.raises(CaptureError):
        read(path)
