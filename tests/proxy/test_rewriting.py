"""What a client of reverse mode gets, read as a client reads it, set beside what the server said."""

import json
import zlib
from collections.abc import Iterator
from typing import Any

import pytest
import zstandard
from hypothesis import given
from hypothesis import strategies as st

from inspector.model import Payload, Plane
from inspector.proxy import rewriting
from inspector.proxy.rewriting import Passed, Rewriter, splice
from inspector.wire import inflate
from inspector.wire.decoder import read_payload
from tests.conversation import DIALECTS, HELLO, Conversation, dispatch, identify, message

pytestmark = pytest.mark.compat

HOST = "wss://gateway-us-east1-b.discord.gg"
HERE = "ws://127.0.0.1:8080/gwinspect-resume/gateway-us-east1-b.discord.gg"
READY = dispatch("READY", {"v": 10, "resume_gateway_url": HOST, "session_id": "5e55" * 8, "name": "Zoë \u2603"}, 1)
REWRITTEN = dispatch("READY", {**READY["d"], "resume_gateway_url": HERE}, 1)
# Payloads of a login, in order.
SAID = (HELLO, READY, {"op": 11}, message("good morning", 2), message("resume_gateway_url", 3))


class Client:
    """The other end: undoes a stream as a client does, which waits for the end of a payload."""

    def __init__(self, compression: str) -> None:
        self._compression = compression
        self._zlib = zlib.decompressobj()
        self._zstd = zstandard.ZstdDecompressor().decompressobj()
        self._held = b""
        self.texts: list[bytes] = []

    def take(self, data: bytes) -> None:
        if self._compression == "zlib-stream":
            self._held += data
            if not self._held.endswith(b"\x00\x00\xff\xff"):
                return
            data, self._held = self._zlib.decompress(self._held), b""
        elif self._compression == "zstd-stream":
            data = self._zstd.decompress(data)
        elif data[:1] == b"\x78":
            data = zlib.decompress(data)
        self.texts.append(data)


class Stand:
    """A connection with a rewriter in it. Each message of the server's may be cut into pieces."""

    def __init__(self, encoding: str = "json", compression: str = "none", instead: str | None = HERE) -> None:
        self.talk = Conversation(encoding, compression)
        self.asked: list[str] = []
        self.rewriter = Rewriter(self.talk.url, lambda url: self.asked.append(url) or instead)
        self.client = Client(compression)
        self.is_text = encoding == "json" and compression in ("none", "payload")

    def identify(self) -> None:
        self.rewriter.client_said(self.talk.encoded(identify()))

    def messages(self, said: dict[str, Any]) -> Iterator[bytes]:
        before = len(self.talk.happenings)
        self.talk.server(said)
        return (frame.data for frame in self.talk.happenings[before:])

    def pass_on(self, data: bytes) -> Passed:
        is_text = self.is_text and data[:1] == b"{"
        passed = self.rewriter.server_said(data, is_text=is_text)
        if passed.data is not None:
            self.client.take(passed.data)
        return passed


def _text(said: dict[str, Any], encoding: str) -> bytes:
    return Conversation(encoding).encoded(said)


@pytest.mark.parametrize(("encoding", "compression"), DIALECTS)
def test_only_the_url_in_ready_changes(encoding: str, compression: str) -> None:
    stand = Stand(encoding, compression)
    stand.identify()
    changed = [stand.pass_on(data).changed for said in SAID for data in stand.messages(said)]
    assert stand.asked == [HOST]
    assert changed == [said is READY for said in SAID]
    assert stand.client.texts == [_text(REWRITTEN if said is READY else said, encoding) for said in SAID]


@pytest.mark.parametrize("compression", ["none", "payload"])
def test_what_is_no_stream_keeps_its_bytes(compression: str) -> None:
    stand = Stand("json", compression)
    stand.identify()
    for said in SAID:
        for data in stand.messages(said):
            assert (stand.pass_on(data).data is data) == (said is not READY)


@given(data=st.data(), dialect=st.sampled_from([d for d in DIALECTS if d[1].endswith("stream")]))
def test_any_split_of_the_stream_says_the_same_to_the_client(data: st.DataObject, dialect: tuple[str, str]) -> None:
    encoding, compression = dialect
    stand = Stand(encoding, compression)
    stand.identify()
    for said in SAID:
        (whole,) = stand.messages(said)
        cuts = sorted(data.draw(st.sets(st.integers(1, len(whole) - 1), max_size=5)))
        for start, end in zip([0, *cuts], [*cuts, len(whole)], strict=True):
            stand.pass_on(whole[start:end])
    texts = [_text(REWRITTEN if said is READY else said, encoding) for said in SAID]
    assert b"".join(stand.client.texts) == b"".join(texts)
    if compression == "zlib-stream":
        assert stand.client.texts == texts


@given(messages=st.lists(st.binary(max_size=60)), claim=st.sampled_from(["none", "zlib-stream", "zstd-stream"]))
def test_any_bytes_are_passed_on_or_given_up(messages: list[bytes], claim: str) -> None:
    rewriter = Rewriter(Conversation("json", claim).url, lambda url: HERE)
    rewriter.client_said(Conversation().encoded(identify()))
    for data in messages:
        passed = rewriter.server_said(data, is_text=False)
        assert not passed.changed


@given(st.binary(max_size=200))
def test_any_bytes_may_be_a_clients(data: bytes) -> None:
    Rewriter("", lambda url: HERE).client_said(b'"token"' + data)


@pytest.mark.parametrize("encoding", ["json", "etf"])
def test_nothing_is_looked_at_before_a_client_has_identified(encoding: str) -> None:
    """So a message of a million bytes costs no parsing later on."""
    stand = Stand(encoding)
    (data,) = stand.messages(READY)
    assert stand.pass_on(data) == Passed(data)
    assert stand.asked == []


def test_each_ready_of_a_connection_is_rewritten() -> None:
    """After Invalid Session a client may identify again."""
    stand = Stand("json", "zlib-stream")
    for _ in range(2):
        stand.identify()
        (data,) = stand.messages(READY)
        assert stand.pass_on(data).changed
    assert stand.client.texts == 2 * [_text(REWRITTEN, "json")]


@pytest.mark.parametrize("compression", ["none", "zlib-stream", "zstd-stream", "payload"])
def test_a_url_that_leads_nowhere_is_left_alone(compression: str) -> None:
    stand = Stand("json", compression, instead=None)
    stand.identify()
    (data,) = stand.messages(READY)
    assert not stand.pass_on(data).changed
    assert stand.client.texts == [_text(READY, "json")]


@pytest.mark.parametrize(
    ("before", "after"),
    [
        (b'"resume_gateway_url" :\n "wss:\\/\\/a.gg"', b'"resume_gateway_url" :\n "ws://here"'),
        (b'"x":{"resume_gateway_url":"wss://a.gg"},"resume_gateway_url":"wss://a.gg"', None),
        (b'"resume_gateway_url":"wss://a.gg","x":"\\"resume_gateway_url\\":\\"wss://a.gg\\""', None),
    ],
    ids=["escaped", "also elsewhere", "also in a text"],
)
def test_the_value_is_found_however_it_is_written(before: bytes, after: bytes | None) -> None:
    text = b'{"t":"READY","s":1,"op":0,"d":{%s,"big":900719925474099312345,"half":"\\ud83d"}}'
    spliced = splice(text % before, lambda url: "ws://here")
    assert spliced.changed
    if after is None:
        at = before.index(b"wss://a.gg") if before.startswith(b'"resume') else before.rindex(b"wss://a.gg")
        after = before[:at] + b"ws://here" + before[at + 10 :]
    assert spliced.text == text % after


def test_a_name_that_cannot_be_found_again_is_left_alone() -> None:
    text = b'{"t":"READY","s":1,"op":0,"d":{"resume\\u005fgateway_url":"wss://a.gg"}}'
    assert splice(text, lambda url: "ws://here") == (text, False, True, True)


def test_a_ready_behind_another_payload_is_found() -> None:
    text = b'{"op":11}\n' + _text(READY, "json") + b'{"op":11}'
    assert splice(text, lambda url: HERE).text == b'{"op":11}\n' + _text(REWRITTEN, "json") + b'{"op":11}'


def test_keys_that_are_atoms_are_found() -> None:
    """Discord's own are binaries; those of other servers are atoms."""
    from inspector.simulator.etf_encode import encode

    spliced = splice(encode(READY, atom_keys=True), lambda url: HERE)
    payload = read_payload(Plane.GATEWAY, "etf", spliced.text)
    assert isinstance(payload, Payload)
    assert payload.d == REWRITTEN["d"]
    assert spliced.text == encode(REWRITTEN, atom_keys=True)


def test_a_stream_that_begins_as_none_is_passed_on_as_it_is() -> None:
    """Nothing of ours has gone to the client yet, so it can still read the server's own."""
    stand = Stand("json", "zlib-stream")
    for data in (b"\x00\x01\x02", b"\x78\x9c"):
        assert stand.rewriter.server_said(data, is_text=False) == Passed(data)


@pytest.mark.parametrize("compression", ["zlib-stream", "zstd-stream"])
def test_a_stream_that_breaks_is_given_up_for_good(compression: str) -> None:
    stand = Stand("json", compression)
    (data,) = stand.messages(HELLO)
    stand.pass_on(data)
    broken = stand.pass_on(b"\x07\x07\x07\x07\x00\x00\xff\xff")
    assert broken.data is None
    assert broken.broken
    assert stand.rewriter.server_said(data, is_text=False) == broken


@pytest.mark.parametrize("compression", ["zlib-stream", "zstd-stream"])
def test_a_bomb_is_not_inflated(compression: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(inflate, "MAX_PAYLOAD", 100_000)
    stand = Stand("json", compression)
    (data,) = stand.messages(HELLO)
    stand.pass_on(data)
    (bomb,) = stand.messages({"op": 0, "d": "0" * 10_000_000})
    assert "more than allowed" in stand.pass_on(bomb).broken


def test_a_ready_of_megabytes_is_rewritten() -> None:
    guilds = [{"id": str(number), "unavailable": True, "name": "x" * 50} for number in range(50_000)]
    large = dispatch("READY", {**READY["d"], "guilds": guilds}, 1)
    stand = Stand("json", "zlib-stream")
    stand.identify()
    (data,) = stand.messages(large)
    assert stand.pass_on(data).changed
    assert json.loads(stand.client.texts[0])["d"] == {**large["d"], "resume_gateway_url": HERE}


def test_a_payload_that_never_ends_is_not_read_again_with_each_piece(monkeypatch: pytest.MonkeyPatch) -> None:
    read: list[int] = []

    def counting(plane: Plane, encoding: str, data: bytes, **more: Any) -> Any:
        read.append(len(data))
        return read_payload(plane, encoding, data, **more)

    monkeypatch.setattr(rewriting, "read_payload", counting)
    stand = Stand(compression="zstd-stream")
    stand.identify()
    read.clear()
    made = zstandard.ZstdCompressor().compressobj()
    pieces = [b'{"op":0,"d":"', *[b"x" * 1000] * 500]
    for piece in pieces:
        data = made.compress(piece) + made.flush(zstandard.COMPRESSOBJ_FLUSH_BLOCK)
        assert stand.rewriter.server_said(data, is_text=False).data is None
    assert sum(read) < 5 * sum(map(len, pieces))
    data = made.compress(b'"}') + made.flush(zstandard.COMPRESSOBJ_FLUSH_BLOCK)
    passed = stand.rewriter.server_said(data, is_text=False)
    assert passed.data is None or zstandard.ZstdDecompressor().decompressobj().decompress(passed.data)


def test_a_payload_of_millions_of_values_is_passed_on_unread(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(rewriting, "_MOST_VALUES", 100)
    url = b'{"op":0,"t":"READY","d":{"resume_gateway_url":"wss://a.invented","x":[%b1]}}'
    assert splice(url % (b"[]," * 200), lambda _: HERE).found is False
    assert splice(url % (b"[]," * 20), lambda _: HERE).changed
