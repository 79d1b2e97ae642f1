import json

import pytest

from inspector.model import Event, Knows, Plane
from inspector.pipeline import Pipeline
from inspector.protocol.registry import default
from inspector.session.redact import digest
from inspector.session.state import MAX_UNACKED, Connection
from tests.conversation import (
    ACK,
    DIALECTS,
    HEARTBEAT,
    HELLO,
    SESSION,
    Conversation,
    Payload,
    dispatch,
    identify,
    ready,
    resume,
)
from tests.fed import fed

VOICE = "wss://invented.discord.media/?v=8"


def events(talk: Conversation) -> list[Event]:
    return fed(talk.happenings).rows


def notes(talk: Conversation) -> list[str | None]:
    return [event.note for event in events(talk)]


def connections(*talks: Conversation) -> list[Connection]:
    made = fed(happening for talk in talks for happening in talk.happenings)
    return [made.changed[talk.connection] for talk in talks]


def voice() -> Conversation:
    return Conversation(plane=Plane.VOICE, url=VOICE).opens()


def beat(nonce: object) -> Payload:
    return {"op": 3, "d": {"t": nonce, "seq_ack": 1}}


def back(nonce: object) -> Payload:
    return {"op": 6, "d": {"t": nonce}}


@pytest.mark.parametrize("op", [1, 40])
def test_an_ack_answers_the_oldest_heartbeat(op: int) -> None:
    talk = Conversation().opens().client({"op": op, "d": 1}).waits(31).server(ACK)
    talk.client({"op": op, "d": 2}).client({"op": op, "d": 3}).server(ACK).server(ACK).server(ACK)
    found = [note for note in notes(talk) if note]
    assert found == ["after 41 ms", "after 20 ms", "after 20 ms", "no heartbeat was pending"]


def test_an_ack_within_a_millisecond_took_some_time() -> None:
    assert notes(Conversation().opens().client(HEARTBEAT).waits(-9.5).server(ACK))[-1] == "after less than 1 ms"


def test_an_answer_took_no_time_that_its_source_does_not_know() -> None:
    """All of its messages have the time of the opening."""
    talk = Conversation().opens(knows=Knows.ALL & ~Knows.TIMES).client(HEARTBEAT).waits(-10).server(ACK)
    row = events(talk)[-1]
    assert (row.answers, row.latency_ns, row.note) == (2, None, None)


def test_the_server_may_ask_for_a_heartbeat() -> None:
    assert notes(Conversation().opens().server(HEARTBEAT).server(ACK))[1:] == [
        "the server asks for a heartbeat now",
        "no heartbeat was pending",
    ]


def test_heartbeats_of_a_voice_gateway_are_paired_by_their_nonce() -> None:
    talk = voice().client(beat(100)).client(beat(200)).server(back(200)).waits(90).server(back(100))
    assert notes(talk)[3:] == ["after 10 ms", "after 120 ms"]


def test_a_nonce_that_was_never_sent_answers_nothing() -> None:
    talk = voice().client(beat(100)).server(back(999)).server(back(100))
    assert notes(talk)[2:] == ["no heartbeat was pending", "after 20 ms"]


def test_before_version_8_the_nonce_is_the_body() -> None:
    talk = voice().client({"op": 3, "d": 7}).client({"op": 3, "d": 8}).server({"op": 6, "d": 8})
    assert notes(talk)[3] == "after 10 ms"


@pytest.mark.parametrize("version", [4, 5, 6, 7, 8, 9])
def test_heartbeats_of_every_voice_version_are_paired_by_their_nonce(version: int) -> None:
    def asked(nonce: int) -> Payload:
        return beat(nonce) if version >= 8 else {"op": 3, "d": nonce}

    def answered(nonce: int) -> Payload:
        return back(nonce) if version >= 8 else {"op": 6, "d": nonce}

    talk = Conversation(plane=Plane.VOICE, url=f"wss://invented.discord.media/?v={version}").opens()
    talk.client(asked(7)).client(asked(8)).server(answered(8)).server(answered(7)).server(answered(7))
    assert notes(talk)[3:] == ["after 10 ms", "after 30 ms", "no heartbeat was pending"]


def test_numbers_of_a_voice_connection_are_not_those_of_its_main_one() -> None:
    """Both may have the same session id, and each counts for itself."""
    main = Conversation().opens().server(HELLO).client(identify()).server(ready())
    talk = Conversation(plane=Plane.VOICE, url=VOICE, connection=2, at_ns=main._at_ns).opens()
    talk.client({"op": 0, "d": {"server_id": "42", "session_id": SESSION}}).server({"op": 11, "d": {}, "seq": 90})
    pipeline = Pipeline(default())
    made = fed((*main.happenings, *talk.happenings), pipeline)
    assert pipeline._tracker.world.sessions[digest(SESSION)].seq == 1
    assert made.changed[2].sequence.last == 90


def test_a_heartbeat_without_a_proper_nonce_is_paired_by_its_place() -> None:
    assert notes(voice().client(beat("x")).server(back(["y"])))[2] == "after 10 ms"


def test_the_sequence_in_a_heartbeat_is_no_nonce() -> None:
    assert notes(Conversation().opens().client({"op": 1, "d": 5}).server({"op": 11, "d": 6}))[2] == "after 10 ms"


def test_remote_auth_has_heartbeats_too() -> None:
    talk = Conversation(plane=Plane.REMOTE_AUTH, url="wss://remote-auth-gateway.discord.gg/?v=2").opens()
    assert notes(talk.client({"op": "heartbeat"}).server({"op": "heartbeat_ack"}))[2] == "after 10 ms"


def test_heartbeats_without_an_answer_are_not_kept_forever() -> None:
    talk = Conversation().opens()
    for number in range(50):
        talk.client({"op": 1, "d": number})
    [connection] = connections(talk)
    assert len(connection.heartbeats.pending) == MAX_UNACKED


def test_a_session_is_followed_over_the_connections_that_resume_it() -> None:
    first = Conversation(connection=1).opens().server(HELLO).client(identify()).server(ready()).closes(4000)
    second = Conversation(connection=2).opens().server(HELLO).client(resume()).server(dispatch("RESUMED", {}, 4))
    other = Conversation(connection=3).opens().client(identify()).server(ready("another" * 5))
    sessions = [connection.session for connection in connections(first, second, other)]
    assert sessions == [digest(SESSION), digest(SESSION), digest("another" * 5)]


def test_a_voice_connection_belongs_to_its_gateway_session() -> None:
    server_id = "1180000000000000042"
    talk = voice().client({"op": 0, "d": {"server_id": server_id, "session_id": SESSION}})
    assert connections(talk)[0].session == digest(SESSION)


@pytest.mark.parametrize(("encoding", "compression"), DIALECTS)
def test_a_shard_is_known_from_identify_or_ready(encoding: str, compression: str) -> None:
    for talk in (
        Conversation(encoding, compression).opens().client(identify(shard=[3, 16])),
        Conversation(encoding, compression).opens().server(dispatch("READY", {"shard": [3, 16]}, 1)),
    ):
        assert connections(talk)[0].shard == "3/16"


@pytest.mark.parametrize("shard", [[1], [1, 2, 3], "1/2", [None, 1], [10**5000, 1], {"0": 1}])
def test_nonsense_is_no_shard(shard: object) -> None:
    assert connections(Conversation("etf").opens().client(identify(shard=shard)))[0].shard is None


@pytest.mark.parametrize(
    ("event", "d", "ids"),
    [
        ("MESSAGE_CREATE", {"guild_id": "1", "channel_id": "2", "author": {"id": "3"}}, (1, 2, 3)),
        ("GUILD_CREATE", {"id": "5"}, (5, None, None)),
        ("CHANNEL_CREATE", {"id": "6", "guild_id": "5"}, (5, 6, None)),
        ("TYPING_START", {"channel_id": 2, "user_id": 3}, (None, 2, 3)),
        ("PRESENCE_UPDATE", {"guild_id": "1", "user": {"id": "3"}}, (1, None, 3)),
        ("A_NEW_EVENT", {"guild_id": "1", "user_id": "3"}, (1, None, 3)),
        ("MESSAGE_CREATE", {"guild_id": None, "channel_id": "x", "author": "ada"}, (None, None, None)),
        ("MESSAGE_CREATE", {"guild_id": str(2**63), "channel_id": -1, "user_id": True}, (2**63, None, None)),
        ("MESSAGE_CREATE", {"guild_id": 2**63, "channel_id": "1" * 41, "user_id": 10**40}, (2**63, None, None)),
        ("MESSAGE_CREATE", ["guild_id"], (None, None, None)),
    ],
)
def test_ids_stand_where_the_event_has_them(event: str, d: object, ids: tuple[int | None, ...]) -> None:
    found = events(Conversation().opens().server(dispatch(event, d, 1)))[1]
    assert (found.guild_id, found.channel_id, found.user_id) == ids


def test_ids_of_what_a_client_asks_for_are_found_too() -> None:
    talk = Conversation().opens().client({"op": 4, "d": {"guild_id": "1", "channel_id": None}})
    found = events(talk)[1]
    assert (found.guild_id, found.channel_id) == (1, None)


@pytest.mark.parametrize("d", [None, [], "x", 5, {"session_id": 5, "shard": 5, "t": {}}])
@pytest.mark.parametrize("op", [0, 1, 2, 3, 6, 7, 11, 40])
@pytest.mark.parametrize("plane", [Plane.GATEWAY, Plane.VOICE])
def test_no_body_is_too_odd(plane: Plane, op: int, d: object) -> None:
    talk = Conversation(plane=plane).opens()
    for from_client in (True, False):
        talk.frame(json.dumps({"op": op, "d": d, "t": "READY"}).encode(), from_client=from_client, is_text=True)
    assert len(events(talk)) == 3


BOT = "1180000000000000001"
JOIN = {"op": 4, "d": {"guild_id": "42", "channel_id": "50"}}


def voice_state(channel: str | None, seq: int) -> Payload:
    return dispatch("VOICE_STATE_UPDATE", {"guild_id": "42", "channel_id": channel, "user_id": BOT}, seq)


def voice_server(seq: int) -> Payload:
    return dispatch("VOICE_SERVER_UPDATE", {"guild_id": "42", "token": "t", "endpoint": "e"}, seq)


@pytest.mark.parametrize(
    ("after", "waits"),
    [
        ([], 1),
        ([voice_state("50", 2)], 1),
        ([voice_state("50", 2), voice_server(3)], 0),
        # He is in that channel already, so this only mutes him.
        ([voice_state("50", 2), voice_server(3), JOIN], 1),
        ([voice_state("50", 2), voice_server(3), JOIN, voice_state("50", 4)], 0),
        ([voice_state(None, 2)], 0),
    ],
)
def test_a_join_waits_until_there_is_a_voice_server_or_none_is_due(after: list[Payload], waits: int) -> None:
    talk = Conversation().opens().server(HELLO).client(identify()).server(ready()).client(JOIN)
    for payload in after:
        (talk.client if payload["op"] == 4 else talk.server)(payload)
    assert len(connections(talk)[0].main.joins) == waits


def test_a_request_for_members_is_answered_in_part_by_its_first_chunk() -> None:
    talk = Conversation().opens().client({"op": 8, "d": {"guild_id": "42", "query": "", "limit": 0}})
    assert [asked.answered for asked in connections(talk)[0].main.members.values()] == [False]
    chunk = {"guild_id": "42", "members": [], "chunk_index": 0, "chunk_count": 2}
    talk.server(dispatch("GUILD_MEMBERS_CHUNK", chunk, 2))
    assert [asked.answered for asked in connections(talk)[0].main.members.values()] == [True]
    talk.server(dispatch("GUILD_MEMBERS_CHUNK", chunk | {"chunk_index": 1}, 3))
    assert connections(talk)[0].main.members == {}
