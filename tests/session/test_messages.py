import pytest
from hypothesis import given
from hypothesis import strategies as st

from inspector.model import Event, Kind, Plane
from inspector.session import messages
from inspector.session.redact import digest

TOKEN = "a token that is long enough"


def read(op: int | str, d: object, *, plane: Plane = Plane.GATEWAY, from_client: bool = True, event: str | None = None):
    row = Event(7, 1, 1000, plane, Kind.PAYLOAD, from_client, op=op, event=event)
    reader = messages.READERS.get((plane, from_client, op if event is None else event))
    return None if reader is None else reader(row, d)


def test_an_identify_tells_who_comes_and_what_it_wants() -> None:
    what = read(2, {"token": TOKEN, "shard": [1, 4], "intents": 513, "compress": True})
    assert what == messages.Identify(7, 1000, digest(TOKEN), shard=(1, 4), intents=513, compress=True)


def test_a_voice_identify_tells_the_call_and_the_version_of_dave() -> None:
    d = {"token": TOKEN, "session_id": "s" * 32, "server_id": "42", "user_id": "1", "max_dave_protocol_version": 1}
    what = read(0, d, plane=Plane.VOICE)
    assert isinstance(what, messages.Identify)
    assert (what.server_id, what.user_id, what.session, what.dave) == ("42", "1", digest("s" * 32), 1)


def test_hello_tells_the_interval_in_nanoseconds() -> None:
    assert read(10, {"heartbeat_interval": 41250}, from_client=False) == messages.Hello(7, 1000, 41_250_000_000)


@pytest.mark.parametrize("interval", [None, 0, -1, "41250", True, 10**400, float("inf"), [1]])
def test_an_interval_that_is_none_is_zero(interval: object) -> None:
    assert read(10, {"heartbeat_interval": interval}, from_client=False) == messages.Hello(7, 1000, 0)


@pytest.mark.parametrize(
    ("op", "d", "seq"), [(1, 5, 5), (1, None, None), (40, {"seq": 5, "qos": {}}, 5), (1, "5", None)]
)
def test_a_heartbeat_tells_the_last_sequence_number(op: int, d: object, seq: int | None) -> None:
    what = read(op, d)
    assert isinstance(what, messages.Beat)
    assert (what.seq, what.nonce) == (seq, None)


def test_requests_for_members_and_their_chunks_have_one_key() -> None:
    for asked, chunk in (
        ({"guild_id": "5", "query": "", "limit": 0, "nonce": "n"}, {"guild_id": "5", "nonce": "n"}),
        ({"guild_id": ["5"], "query": "a"}, {"guild_id": 5}),
        ({"guild_id": "5", "nonce": "é" * 17}, {"guild_id": "5"}),
    ):
        request, answer = read(8, asked), read(0, chunk, from_client=False, event="GUILD_MEMBERS_CHUNK")
        assert isinstance(request, messages.Members)
        assert isinstance(answer, messages.Chunk)
        assert request.key == answer.key


def test_the_last_chunk_is_told_by_its_index() -> None:
    chunks = [{"guild_id": "5", "chunk_index": index, "chunk_count": 3} for index in range(3)]
    found = [read(0, chunk, from_client=False, event="GUILD_MEMBERS_CHUNK") for chunk in chunks]
    assert [chunk.is_last for chunk in found if isinstance(chunk, messages.Chunk)] == [False, False, True]


def test_what_sessions_are_not_made_of_says_nothing() -> None:
    assert read(3, {}) is None
    assert read(0, {}, from_client=False, event="MESSAGE_CREATE") is None
    assert read(2, {}, from_client=False) is None
    assert read(97, {}) is None


KEYS = st.sampled_from(
    ["token", "shard", "intents", "session_id", "seq", "d", "t", "seq_ack", "guild_id", "nonce", "query", "user", "id"]
    + ["resume_gateway_url", "modes", "data", "mode", "heartbeat_interval", "endpoint", "chunk_index", "chunk_count"]
)
ANYTHING = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5) | st.binary(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(KEYS, inner, max_size=4),
    max_leaves=8,
)


@given(ANYTHING)
def test_reading_never_raises(d: object) -> None:
    for plane, from_client, key in messages.READERS:
        event = key if isinstance(key, str) and plane is Plane.GATEWAY else None
        read(0 if event else key or 0, d, plane=plane, from_client=from_client, event=event)
