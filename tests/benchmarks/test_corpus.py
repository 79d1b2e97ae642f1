"""The corpus of the benchmarks: what it is made of decides what their figures mean."""

from collections import Counter
from pathlib import Path

import orjson
import pytest

from benchmarks.corpus import Compression, Encoding, Stream, build, payloads, saved_happenings
from inspector.model import Event, Kind
from tests.fed import fed

MESSAGES = 1000


def rows(stream: Stream) -> list[Event]:
    return fed(stream.happenings(), finish=True).rows


def test_the_same_arguments_give_the_same_bytes() -> None:
    assert build(MESSAGES) == build(MESSAGES)


def test_another_seed_gives_other_bytes() -> None:
    assert build(MESSAGES).messages != build(MESSAGES, seed=1).messages


def test_it_has_as_many_server_messages_as_asked_for() -> None:
    assert sum(1 for _ in payloads(MESSAGES)) == MESSAGES


def test_the_mix_is_that_of_a_busy_bot() -> None:
    sizes: dict[str, list[int]] = {}
    for payload in payloads(5000):
        sizes.setdefault(payload["t"] or "", []).append(len(orjson.dumps(payload)))
    means = {kind: sum(found) / len(found) for kind, found in sizes.items()}
    assert 0.40 < len(sizes["PRESENCE_UPDATE"]) / 5000 < 0.44
    assert 0.25 < len(sizes["MESSAGE_CREATE"]) / 5000 < 0.29
    assert 240 < means["PRESENCE_UPDATE"] < 360
    assert 1500 < means["MESSAGE_CREATE"] < 2100
    assert 700 < means["MESSAGE_REACTION_ADD"] < 1100
    assert 100_000 < means["GUILD_CREATE"] < 400_000


def test_ready_is_as_large_as_that_of_an_account_in_a_hundred_guilds() -> None:
    ready = next(payload for payload in payloads(20_000) if payload["t"] == "READY")
    assert 2_500_000 < len(orjson.dumps(ready)) < 3_500_000


@pytest.mark.parametrize(
    ("encoding", "compression"), [("json", "zlib-stream"), ("json", "zstd-stream"), ("etf", "zlib-stream")]
)
def test_every_message_decodes(encoding: Encoding, compression: Compression) -> None:
    stream = build(MESSAGES, encoding, compression)
    events = rows(stream)
    assert Counter(event.kind for event in events) == {
        Kind.OPEN: 1,
        Kind.PAYLOAD: len(stream.messages),
        Kind.CLOSE: 1,
    }
    assert {event.encoding for event in events if event.kind is Kind.PAYLOAD} == {encoding}
    assert sum(event.decoded_bytes for event in events if not event.from_client) == stream.decoded_bytes


def test_etf_says_the_same_as_json() -> None:
    def facts(stream: Stream) -> list[tuple[object, ...]]:
        return [(event.op, event.event, event.seq, event.guild_id, event.user_id) for event in rows(stream)]

    assert facts(build(MESSAGES, "etf")) == facts(build(MESSAGES))


def test_a_saved_stream_reads_back_the_same(tmp_path: Path) -> None:
    stream = build(MESSAGES)
    stream.save(tmp_path / "stream")
    assert list(saved_happenings(tmp_path / "stream")) == list(stream.happenings())


def test_no_number_is_left_out_and_each_ack_answers_a_heartbeat() -> None:
    noticed = {finding.rule for event in rows(build(MESSAGES)) for finding in event.findings}
    # Heartbeats come by the count of messages, which are faster than a real bot's.
    assert noticed <= {"heartbeat-flood", "send-budget"}
