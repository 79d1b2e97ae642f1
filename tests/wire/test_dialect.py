import pytest
from hypothesis import given
from hypothesis import strategies as st

from inspector.wire.dialect import Compression, Dialect, dialect_of, sniff


@pytest.mark.parametrize(
    ("url", "expected"),
    [
        ("wss://gateway.discord.gg", Dialect()),
        ("", Dialect()),
        ("wss://gateway.discord.gg/?v=10&encoding=json", Dialect(10, "json")),
        ("wss://g/?encoding=etf&v=9&compress=zstd-stream", Dialect(9, "etf", Compression.ZSTD)),
        ("wss://g/?v=10&encoding=JSON&compress=ZLIB-STREAM", Dialect(10, "json", Compression.ZLIB)),
        ("wss://g/?v=9&v=10", Dialect(10)),
        ("wss://g/?v=ten&encoding=&compress=lzma", Dialect()),
        ("wss://g/?v=99999", Dialect()),
        ("wss://g/?v=²", Dialect()),
        ("wss://g/?compress=none", Dialect()),
        ("wss://[broken/?v=10", Dialect()),
        ("wss://g/?" + "v=1&" * 1000, Dialect(version=1)),
    ],
)
def test_a_url_says_how_its_connection_speaks(url: str, expected: Dialect) -> None:
    assert dialect_of(url) == expected


@given(st.text() | st.text("wss:/?&=v10encodigjlb-[]%").map("wss://".__add__))
def test_any_text_is_a_url(url: str) -> None:
    assert isinstance(dialect_of(url), Dialect)


@pytest.mark.parametrize(
    ("data", "expected"),
    [
        (b"\x78\x9c\xab", Compression.ZLIB),
        (b"\x78\x01", Compression.ZLIB),
        (b"\x78\x9d", None),
        (b"\x78", None),
        (b"\x28\xb5\x2f\xfd", Compression.ZSTD),
        (b"\x28\xb5\x2f", None),
        (b"\x83t", Compression.NONE),
        (b'{"op":1}', Compression.NONE),
        (b"", None),
        (b"[]", None),
    ],
)
def test_the_first_bytes_tell_the_compression(data: bytes, expected: Compression | None) -> None:
    assert sniff(data) is expected
