"""What holds of verdicts whatever happens."""

import json
from collections.abc import Iterator
from itertools import count
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from inspector.diagnose.engine import MAX_RECENT
from inspector.diagnose.rule import MAX_EVIDENCE
from inspector.diagnose.verdicts import CAUSES
from inspector.model import Plane, Side
from inspector.pipeline import Pipeline
from inspector.protocol.registry import default
from tests.conversation import (
    Conversation,
)
from tests.diagnose.judged import (
    GUILD,
    VOICE_SESSION,
    Judged,
)


def test_every_close_code_of_the_gateways_has_a_cause_of_its_own() -> None:
    for row in default().close_codes():
        if row.plane in ("gateway", "voice") or (row.plane == "websocket" and row.number != 1004):
            assert (row.plane, row.number) in CAUSES


@pytest.mark.parametrize("code", sorted({number for plane, number in CAUSES if plane != "voice"} | {4999, 1004}))
@pytest.mark.parametrize("by", ["client", "server", "proxy", None])
def test_nothing_need_have_been_said_before_a_close(code: int, by: Side | None) -> None:
    for plane in Plane:
        for talk in (
            Conversation(plane=plane),
            Conversation(plane=plane).opens(),
            Conversation(plane=plane, url="").opens(),
        ):
            verdict = Judged(talk.closes(code, "", by)).close().verdict
            if verdict is not None:
                assert verdict.cause.endswith(".")
                assert "  " not in verdict.cause


_VALUES = st.sampled_from([None, True, -1, 0, 3, 1 << 70, "x", "", [], [2, 2], {}, 1.5, GUILD, VOICE_SESSION])
_KEYS = [
    *("token", "session_id", "seq", "shard", "intents", "server_id", "user_id", "guild_id", "channel_id", "endpoint"),
    *("heartbeat_interval", "modes", "protocol", "data", "t", "seq_ack", "max_dave_protocol_version", "user", "id"),
]
_BODIES = _VALUES | st.dictionaries(st.sampled_from(_KEYS), _VALUES, max_size=8)
_NAMES = st.sampled_from([None, "READY", "RESUMED", "VOICE_STATE_UPDATE", "VOICE_SERVER_UPDATE", "CHANNEL_DELETE", "X"])
_STEPS = st.tuples(st.booleans(), st.integers(-1, 40), _BODIES, _NAMES, st.integers(0, 60_000))
_PLANES = st.sampled_from([Plane.GATEWAY, Plane.VOICE])
_CODES = st.none() | st.integers(0, 65535) | st.sampled_from([number for _, number in CAUSES])
_SIDES = st.sampled_from(["client", "server", "proxy", None])
_TALKS = st.tuples(_PLANES, st.lists(_STEPS, max_size=12), _CODES, st.text(max_size=20), _SIDES)


@given(st.lists(_TALKS, min_size=1, max_size=4))
def test_no_end_is_too_odd(ends: list[tuple[Plane, list[Any], int | None, str, Side | None]]) -> None:
    talks = []
    for number, (plane, steps, code, reason, by) in enumerate(ends, 1):
        talk = Conversation(plane=plane, connection=number).opens()
        for from_client, op, d, name, ms in steps:
            data = json.dumps({"op": op, "d": d, "t": name, "s": 1}).encode()
            talk.waits(ms).frame(data, from_client=from_client, is_text=True)
        talks.append(talk.closes(code, reason, by))
    judged = Judged(*talks)
    for event in judged.events:
        assert event.verdict is None or len(event.verdict.evidence) <= MAX_EVIDENCE


def test_verdicts_that_may_still_change_are_bounded() -> None:
    pipeline = Pipeline(default())
    for number in _some(2 * MAX_RECENT):
        for happening in Conversation(connection=number).opens().closes(4000, "", "server").happenings:
            pipeline.feed(happening)
    assert len(pipeline._rule_engine._recent) == MAX_RECENT


def _some(number: int) -> Iterator[int]:
    return (each for each, _ in zip(count(1), range(number), strict=False))
