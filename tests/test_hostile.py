"""Whatever is sent goes the whole road without a fault: store, text, JSON, tree, wire, filters, statistics."""

import tempfile
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.conversation import HELLO, Conversation, dispatch, identify, ready
from tests.hostile import Hostile, follow


@given(st.integers(0, 2**32))
def test_no_message_breaks_anything_on_its_way(seed: int) -> None:
    with tempfile.TemporaryDirectory() as folder:
        assert follow(Path(folder) / "hostile.gwcap", Hostile(seed).happenings()) > 5


HUGE = 10**5000
BROKE = {
    "a guild id beyond 64 bits": (False, dispatch("TYPING_START", {"guild_id": 2**63, "channel_id": 2**64}, 2)),
    "a number of 5000 digits, unfolded": (False, dispatch("MESSAGE_CREATE", {"nonce": HUGE}, 2)),
    "such a token": (True, {"op": 2, "d": {"token": HUGE}}),
    "such a limit": (True, {"op": 8, "d": {"guild_id": "1", "query": "x", "limit": HUGE}}),
    "such an opcode": (False, dispatch("RATE_LIMITED", {"opcode": HUGE, "retry_after": 1e308, "meta": {}}, 2)),
    "such a number that counts from 0": (False, dispatch("GUILD_MEMBERS_CHUNK", {"chunk_index": HUGE}, 2)),
}


@pytest.mark.parametrize("name", BROKE)
def test_what_once_broke_does_not_any_more(name: str, tmp_path: Path) -> None:
    from_client, payload = BROKE[name]
    talk = Conversation("etf").opens().server(HELLO).client(identify()).server(ready())
    talk.frame(talk.encoded(payload), from_client=from_client).closes(4000, by="server")
    assert follow(tmp_path / "broke.gwcap", talk.happenings) == 6
