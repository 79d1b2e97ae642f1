"""What is noticed about times that repeat, and clocks that do not keep step."""

import struct
from collections.abc import Sequence
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from inspector.diagnose import timing
from inspector.diagnose.rule import Situation
from inspector.model import Event, Kind, Payload, Plane, Severity
from inspector.protocol.registry import default
from inspector.session.state import Connection
from inspector.session.world import World
from tests.conversation import ACK, HEARTBEAT, HELLO, NOON, Conversation, dispatch, identify, ready, resume
from tests.diagnose.finding import found, ids, one

SECOND = 1_000_000_000


def cut(ages_s: Sequence[float], code: int = 1006, by: Any = "server", *, beats: bool = True) -> list[Conversation]:
    """The connections of one client, each of which is cut at such an age."""
    talks, at_s = [], 0.0
    for number, age_s in enumerate(ages_s, 1):
        talk = Conversation(connection=number, at_ns=NOON + int(at_s * SECOND)).opens().server(HELLO)
        talk = talk.client(resume("5e55")).server(dispatch("RESUMED", {}, 2)) if number > 1 else talk.client(identify())
        talk = talk if number > 1 else talk.server(ready("5e55"))
        if beats:
            talk.client({**HEARTBEAT, "d": 1}).server(ACK)
        talk._at_ns = NOON + int((at_s + age_s) * SECOND)
        talks.append(talk.closes(code, by=by))
        at_s += age_s + 3
    return talks


def cuts(*talks: Conversation) -> list[str]:
    return [rule for rule in ids(*talks) if rule == "cut-at-equal-age"]


def test_cut_at_equal_age() -> None:
    finding = one(found(*cut([50, 60, 60.4, 60.2])), "cut-at-equal-age")
    assert finding.severity is Severity.WARN
    assert finding.text.startswith(
        "This is number 3 in a row of the client's connections that was cut 60.2 s after it "
    )
    assert finding.text.endswith("opened, give or take 200 ms.")
    assert len(finding.evidence) == 2
    assert len(cuts(*cut([60] * 12))) == 2


@pytest.mark.parametrize(
    "talks",
    [
        cut([60, 60]),
        cut([60, 95, 60]),
        cut([70, 71.2, 70.5]),
        cut([5, 5, 5]),
        cut([60, 60, 60], 4000),
        cut([60, 60, 60], by="client"),
        cut([60, 60, 60], by=None),
        cut([60, 60, 60], beats=False),
    ],
)
def test_connections_that_end_for_another_reason(talks: list[Conversation]) -> None:
    assert cuts(*talks) == []


def sound(times_ms: Sequence[float], timestamps: Sequence[int], *, from_client: bool = True) -> Conversation:
    voice = Conversation(plane=Plane.MEDIA, url="udp://203.0.113.5:50001", connection=2).opens(status=None)
    begin = voice._at_ns
    for number, (at_ms, timestamp) in enumerate(zip(times_ms, timestamps, strict=True)):
        voice._at_ns = begin + int(at_ms * 1e6)
        voice.frame(struct.pack(">BBHII", 0x80, 120, number, timestamp, 1001) + bytes(60), from_client=from_client)
    return voice


def media(talk: Conversation) -> list[str]:
    return [rule for rule in ids(talk) if rule in ("media-clock-drift", "media-burst")]


COUNT = 450
STEADY = [960 * number for number in range(COUNT)]


@pytest.mark.parametrize(("frame_ms", "text"), [(18, "too fast by 11 %"), (22, "too slowly by 9 %")])
def test_media_clock_drift(frame_ms: float, text: str) -> None:
    talk = sound([frame_ms * number for number in range(COUNT)], STEADY)
    finding = one(found(talk), "media-clock-drift")
    assert finding.severity is Severity.WARN
    assert finding.text.endswith(f"{text}.")


def paused(ms: float, *, counts_on: bool = False) -> Conversation:
    """Sound with a pause in the middle."""
    half = COUNT // 2
    times = [20 * number + (ms if number >= half else 0) for number in range(COUNT)]
    later = int(48 * ms) if counts_on else 0
    return sound(times, [960 * number + (later if number >= half else 0) for number in range(COUNT)])


@pytest.mark.parametrize(
    "talk",
    [
        sound([20 * number for number in range(COUNT)], STEADY),
        sound([20 * number + 15 * (number % 3) for number in range(COUNT)], STEADY),
        # For two seconds it may be off by any share.
        sound([15 * number for number in range(100)], STEADY[:100]),
        paused(900),
        paused(900, counts_on=True),
        paused(400, counts_on=True),
        sound([30 * number for number in range(300)], [0] * 300),
    ],
)
def test_sound_that_keeps_step(talk: Conversation) -> None:
    assert media(talk) == []


@pytest.mark.parametrize(("from_client", "who"), [(True, "The client sent nothing"), (False, "There came nothing")])
def test_media_burst(from_client: bool, who: str) -> None:
    times = [20 * number if not 200 <= number < 220 else 4398 + number / 1000 for number in range(COUNT)]
    finding = one(found(sound(times, STEADY, from_client=from_client)), "media-burst")
    assert finding.severity is Severity.WARN
    assert finding.text == f"{who} for 418 ms, and then some 20 packets at once."


@given(
    st.dictionaries(
        st.sampled_from(
            ["media", "packets", "duration_ms", "longest_gap_ms", "first_timestamp", "last_timestamp", "lost"]
        ),
        st.one_of(st.just("audio"), st.integers(-(2**70), 2**70), st.floats(), st.booleans(), st.none()),
    )
)
def test_rows_of_packets_may_say_anything(d: dict[str, Any]) -> None:
    """A capture may have been written by anyone."""
    talk = Conversation(plane=Plane.MEDIA, url="udp://203.0.113.5:50001").opens(status=None)
    connection = Connection.of(talk.happenings[0])  # type: ignore[arg-type]
    payload = Payload("json", b"", "rtp", None, None, {"media": "audio", **d})
    now = Situation(Event(2, 1, NOON, Plane.MEDIA, Kind.PAYLOAD, True), connection, World(), default(), payload)
    for rule in (timing.media_clock_drift, timing.media_burst):
        assert all(each.text for each in rule.check(now))
