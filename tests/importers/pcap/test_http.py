"""Upgrades are found in what both sides say over HTTP/1.1."""

from random import Random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from inspector.importers.pcap.http import Exchange, Http, is_request

pytestmark = pytest.mark.compat

ASK = (
    b"GET /?v=10&encoding=json HTTP/1.1\r\nHost: gateway.discord.gg\r\nUpgrade: websocket\r\n"
    b"Connection: Upgrade\r\nSec-WebSocket-Key: x\r\n\r\n"
)
AGREE = b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: upgrade\r\nCF-RAY: 8f\r\n\r\n"


def read(*said: tuple[bool, bytes], sizes: int = 0) -> tuple[Http, list[Exchange]]:
    http, found, dice = Http(), [], Random(sizes)
    for from_client, data in said:
        while data:
            size = dice.randint(1, sizes) if sizes else len(data)
            exchange = http.receive(from_client, data[:size])
            found += [exchange] if exchange else []
            data = data[size:]
    return http, found


@pytest.mark.parametrize("sizes", [0, 1, 30])
def test_an_upgrade_is_found_with_its_answer(sizes: int) -> None:
    http, (exchange,) = read((True, ASK), (False, AGREE), sizes=sizes)
    assert exchange.is_websocket
    assert exchange.is_switched
    assert (exchange.method, exchange.target, exchange.host) == ("GET", "/?v=10&encoding=json", "gateway.discord.gg")
    assert (exchange.status, exchange.reason) == (101, "Switching Protocols")
    assert ("cf-ray", "8f") in exchange.response
    assert not http.is_over


def test_what_follows_at_once_is_kept() -> None:
    http, found = read((True, ASK), (False, AGREE + b"\x81\x02hi"))
    assert found[0].is_switched
    assert (http.rest(True), http.rest(False)) == (b"", b"\x81\x02hi")


def test_an_answer_that_was_recorded_before_its_question_waits_for_it() -> None:
    _, (exchange,) = read((False, AGREE), (True, ASK))
    assert exchange.is_switched


def test_what_waits_does_not_fill_the_memory() -> None:
    for from_client in (True, False):
        http, _ = read((True, ASK), *[(from_client, bytes(100_000))] * 20)
        assert http.is_over


def test_a_refusal_is_found() -> None:
    _, (exchange,) = read((True, ASK), (False, b"HTTP/1.1 403 Forbidden\r\nContent-Length: 4\r\n\r\nnope"))
    assert (exchange.status, exchange.reason, exchange.is_switched) == (403, "Forbidden", False)


@pytest.mark.parametrize("sizes", [0, 5])
def test_requests_before_it_are_passed_over(sizes: int) -> None:
    said = [
        (True, b"POST /a HTTP/1.1\r\nHost: x\r\nContent-Length: 3\r\n\r\nabc"),
        (
            False,
            b"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n0\r\n\r\n",
        ),
        (True, b"HEAD /b HTTP/1.1\r\nHost: x\r\n\r\n"),
        (False, b"HTTP/1.1 200 OK\r\nContent-Length: 1000\r\n\r\n"),
        (True, ASK),
        (False, b"HTTP/1.1 429 Too Many Requests\r\nContent-Length: 0\r\n\r\n"),
        (True, ASK),
        (False, AGREE),
    ]
    _, found = read(*said, sizes=sizes)
    assert [exchange.status for exchange in found] == [429, 101]


def test_a_tunnel_is_found() -> None:
    _, (exchange,) = read(
        (True, b"CONNECT gateway.discord.gg:443 HTTP/1.1\r\nHost: gateway.discord.gg:443\r\n\r\n"),
        (False, b"HTTP/1.1 200 Connection established\r\n\r\n"),
    )
    assert (exchange.method, exchange.target, exchange.is_switched) == ("CONNECT", "gateway.discord.gg:443", True)


@pytest.mark.parametrize("data", [b"\x16\x03\x01\x00\x05hello", b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", b"x" * 100_000])
def test_what_is_not_http_is_over(data: bytes) -> None:
    http, found = read((True, data), (False, b"\0" * 100))
    assert (http.is_over, found) == (True, [])


def test_a_client_is_known_by_its_first_bytes() -> None:
    assert is_request(ASK)
    assert not is_request(AGREE)


@given(st.lists(st.tuples(st.booleans(), st.one_of(st.sampled_from([ASK, AGREE]), st.binary(max_size=60))), max_size=8))
def test_no_bytes_raise(said: list[tuple[bool, bytes]]) -> None:
    read(*said)
