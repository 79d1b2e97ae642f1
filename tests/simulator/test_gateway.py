from dataclasses import replace

import pytest

from inspector.simulator.scenarios.catalogue import scenario
from tests.simulator.direct import run, sent

pytestmark = pytest.mark.compat


@pytest.mark.parametrize("compress", [None, "zlib-stream", "zstd-stream"])
@pytest.mark.parametrize("encoding", ["json", "etf"])
def test_a_client_reads_each_encoding_in_each_compression(encoding: str, compress: str | None) -> None:
    chosen = replace(scenario("zlib-stream"), encoding=encoding, compress=compress)

    journal, received = run(chosen)

    assert received == [entry.payload for entry in sent(journal, 1)]
    assert len(received) > 10
    is_text = encoding == "json" and compress is None
    assert {entry.is_text for entry in sent(journal, 1)} == {is_text}


def test_long_payloads_of_a_zlib_stream_come_in_pieces() -> None:
    journal, _ = run(scenario("zlib-stream"))
    cut = [entry.frames for entry in sent(journal, 1) if len(entry.frames) > 1]
    assert cut
    assert all(not piece.endswith(b"\0\0\xff\xff") for pieces in cut for piece in pieces[:-1])
    assert all(pieces[-1].endswith(b"\0\0\xff\xff") for pieces in cut)


def test_only_longer_payloads_are_compressed_where_identify_asked_for_it() -> None:
    journal, _ = run(scenario("payload-compression"))
    forms = {(entry.event, entry.is_text) for entry in sent(journal, 1)}
    assert (None, True) in forms
    assert ("READY", False) in forms


def test_etf_ids_are_integers() -> None:
    journal, _ = run(scenario("etf"))
    guild = next(entry.payload["d"] for entry in journal if entry.event == "GUILD_CREATE")
    assert type(guild["id"]) is int
    assert {type(role) for role in guild["members"][0]["roles"]} == {int}


def test_each_heartbeat_is_acknowledged() -> None:
    journal, _ = run(scenario("plain-json"))
    assert sum(entry.op == 1 and entry.from_client for entry in journal) == 2
    assert sum(entry.op == 11 for entry in journal) == 2
