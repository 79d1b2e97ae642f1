"""TLS is read from the bytes of a real OpenSSL and its key log."""

from itertools import pairwise
from random import Random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from inspector.importers.pcap.keylog import KeyLog
from inspector.importers.pcap.tls import BROKEN, NO_CIPHER, NO_KEYS, NO_START, Tls, is_client_hello
from tests.tls import ALL, NAME, Contexts, TlsPair, call, of_context

pytestmark = pytest.mark.compat

SIDES = {True: "client", False: "server"}
BOTH_VERSIONS = pytest.mark.parametrize(("version", "cipher"), [ALL[0], ALL[-2]])


def keys(log: bytes) -> KeyLog:
    found = KeyLog()
    found.add(log)
    return found


def read(pair: TlsPair, log: bytes | None = None, sizes: int = 0) -> tuple[Tls, dict[str, bytes]]:
    """Return what is read of a connection, in pieces of up to `sizes` bytes."""
    tls, said, dice = Tls(keys(pair.log if log is None else log)), {"client": b"", "server": b""}, Random(sizes)
    for from_client, data in pair.flights:
        cuts = [0, len(data)]
        if sizes:
            cuts = [0]
            while cuts[-1] < len(data):
                cuts.append(min(cuts[-1] + dice.randint(1, sizes), len(data)))
        for start, stop in pairwise(cuts):
            for side, plain in tls.receive(from_client, data[start:stop]):
                said[SIDES[side]] += plain
    return tls, said


TEXT = bytes(range(256)) * 200


@pytest.mark.parametrize(("version", "cipher"), ALL)
def test_what_both_ends_say_is_read(version: str, cipher: str) -> None:
    pair = TlsPair(version, cipher).shake_hands().say("client", b"question").say("server", TEXT).say("client", TEXT)
    tls, said = read(pair)
    assert tls.problem is None
    assert said == {"client": b"question" + TEXT, "server": TEXT}
    assert tls.server_name == NAME


@BOTH_VERSIONS
@pytest.mark.parametrize("sizes", [1, 7, 1500])
def test_pieces_of_any_size_give_the_same(version: str, cipher: str, sizes: int) -> None:
    pair = TlsPair(version, cipher).shake_hands().say("client", b"question").say("server", TEXT[:5000])
    assert read(pair, sizes=sizes)[1] == {"client": b"question", "server": TEXT[:5000]}


@BOTH_VERSIONS
def test_who_has_ended_it_is_known(version: str, cipher: str) -> None:
    pair = TlsPair(version, cipher).shake_hands().say("client", b"x").closes("server")
    tls, _ = read(pair)
    assert (tls.has_ended(False), tls.has_ended(True)) == (True, False)


@BOTH_VERSIONS
def test_a_resumed_session_is_read(version: str, cipher: str) -> None:
    contexts = Contexts(version, cipher)
    first = TlsPair(contexts=contexts).shake_hands().say("client", b"one").say("server", b"two")
    second = TlsPair(contexts=contexts, session=first.ends["client"].session).shake_hands().say("server", b"three")
    assert second.ends["client"].session_reused
    assert read(first)[1] == {"client": b"one", "server": b"two"}
    assert read(second)[1] == {"client": b"", "server": b"three"}


@pytest.mark.parametrize("both", [False, True])
@pytest.mark.parametrize("cipher", ["TLS_AES_256_GCM_SHA384", "TLS_CHACHA20_POLY1305_SHA256"])
def test_new_keys_are_followed(cipher: str, both: bool) -> None:
    pair = TlsPair("TLSv1.3", cipher).shake_hands().say("client", b"old ")
    pair.update_keys("client", both=both).say("client", b"new ").say("server", b"answer")
    pair.update_keys("server").say("server", b" and more").update_keys("client").say("client", b"newest")
    tls, said = read(pair)
    assert tls.problem is None
    assert said == {"client": b"old new newest", "server": b"answer and more"}


@pytest.mark.parametrize("sizes", [0, 100])
def test_early_data_is_passed_over(sizes: int) -> None:
    contexts = Contexts()
    call("SSL_CTX_set_max_early_data", of_context(contexts.server), 16_384)
    first = TlsPair(contexts=contexts).shake_hands().say("client", b"one").say("server", b"two")
    second = TlsPair(contexts=contexts, session=first.ends["client"].session, early=b"early" * 100)
    second.shake_hands().say("client", b"three").say("server", b"four")
    tls, said = read(second, sizes=sizes)
    assert tls.problem is None
    assert said == {"client": b"three", "server": b"four"}


def test_the_secrets_of_the_handshake_may_be_missing() -> None:
    pair = TlsPair().shake_hands().say("client", b"one").say("server", b"two")
    log = b"".join(line for line in pair.log.splitlines(True) if b"HANDSHAKE" not in line)
    assert read(pair, log)[1] == {"client": b"one", "server": b"two"}


def test_a_hello_that_has_to_be_repeated_is_read() -> None:
    contexts = Contexts()
    contexts.server.set_ecdh_curve("secp521r1")
    pair = TlsPair(contexts=contexts).shake_hands().say("client", b"one").say("server", b"two")
    assert sum(from_client for from_client, _ in pair.flights[:4]) == 2
    assert read(pair)[1] == {"client": b"one", "server": b"two"}


def test_what_is_spoken_inside_is_known() -> None:
    for version, cipher in (ALL[0], ALL[-1]):
        pair = TlsPair(contexts=Contexts(version, cipher, ("h2", "http/1.1"))).shake_hands()
        assert read(pair)[0].protocol == "h2"


@BOTH_VERSIONS
def test_without_keys_the_name_is_known_all_the_same(version: str, cipher: str) -> None:
    pair = TlsPair(version, cipher).shake_hands().say("server", b"secret")
    tls, said = read(pair, log=b"")
    assert (tls.problem, tls.server_name, said["server"]) == (NO_KEYS, NAME, b"")


def test_keys_of_another_connection_do_not_count() -> None:
    pair = TlsPair().shake_hands().say("server", b"secret")
    assert read(pair, TlsPair().shake_hands().log)[0].problem == NO_KEYS


@BOTH_VERSIONS
def test_wrong_keys_are_a_problem_and_give_nothing(version: str, cipher: str) -> None:
    pair = TlsPair(version, cipher).shake_hands().say("server", b"secret")
    lines = [line.rstrip() for line in pair.log.splitlines()]
    log = b"".join(line[:-1] + (b"1\n" if line.endswith(b"0") else b"0\n") for line in lines)
    tls, said = read(pair, log)
    assert (tls.problem, said["server"]) == (BROKEN, b"")


@BOTH_VERSIONS
def test_a_changed_byte_ends_it_there(version: str, cipher: str) -> None:
    pair = (
        TlsPair(version, cipher).shake_hands().say("server", b"kept").say("server", b"changed").say("server", b"lost")
    )
    from_client, data = pair.flights[-2]
    pair.flights[-2] = (from_client, data[:-1] + bytes([data[-1] ^ 1]))
    tls, said = read(pair)
    assert (tls.problem, said["server"]) == (BROKEN, b"kept")


@BOTH_VERSIONS
def test_an_answer_that_was_recorded_before_its_question_waits_for_it(version: str, cipher: str) -> None:
    pair = TlsPair(version, cipher).shake_hands().say("client", b"one").say("server", b"two")
    said_by = {side: [flight for flight in pair.flights if flight[0] is side] for side in (True, False)}
    for first in (True, False):
        pair.flights = said_by[first] + said_by[not first]
        tls, said = read(pair)
        assert tls.problem is None
        assert said == {"client": b"one", "server": b"two"}


def test_a_cipher_that_is_not_read_is_a_problem() -> None:
    pair = TlsPair("TLSv1.2", "ECDHE-RSA-AES128-SHA256").shake_hands()
    tls, _ = read(pair)
    assert (tls.problem, tls.cipher) == (NO_CIPHER, 0xC027)


def test_a_connection_that_begins_late_is_a_problem() -> None:
    pair = TlsPair().shake_hands().say("server", b"secret")
    pair.flights = pair.flights[-1:]
    assert read(pair)[0].problem == NO_START


def test_a_client_is_known_by_its_first_bytes() -> None:
    pair = TlsPair().shake_hands()
    assert [is_client_hello(data) for _, data in pair.flights[:2]] == [True, False]
    assert not is_client_hello(b"GET / HTTP/1.1")


def test_a_key_log_may_have_anything_between_its_lines() -> None:
    pair = TlsPair().shake_hands().say("client", b"read")
    log = b"# made by x\r\n\r\nRSA 1234 5678\n\xff\xfe\n" + pair.log.replace(b"\n", b"\r\n") + b"CLIENT_RANDOM 12"
    assert read(pair, log)[1]["client"] == b"read"


RECORDED = (
    TlsPair().shake_hands().say("client", b"a" * 40).say("server", b"b" * 40),
    TlsPair(*ALL[1]).shake_hands().say("client", b"c"),
)


@settings(deadline=None)
@given(
    which=st.integers(0, 1),
    changes=st.lists(st.tuples(st.integers(0, 9), st.integers(0, 400), st.binary(max_size=6)), max_size=6),
)
def test_no_bytes_raise(which: int, changes: list[tuple[int, int, bytes]]) -> None:
    pair = RECORDED[which]
    flights = list(pair.flights)
    for number, place, new in changes:
        from_client, data = flights[number % len(flights)]
        flights[number % len(flights)] = from_client, data[:place] + new + data[place + len(new) :]
    tls = Tls(keys(pair.log))
    for from_client, data in flights:
        tls.receive(from_client, data)
