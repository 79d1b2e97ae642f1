"""What a file that we do not read looks like, in words for the sentence that says so."""

import codecs
import json

# First bytes, and what begins with them.
_MAGIC: tuple[tuple[bytes, str], ...] = (
    (b"\x1f\x8b", "compressed with gzip (unpack it first)"),
    (b"\x28\xb5\x2f\xfd", "compressed with zstd (unpack it first)"),
    (b"BZh", "compressed with bzip2 (unpack it first)"),
    (b"\xfd7zXZ\x00", "compressed with xz (unpack it first)"),
    (b"PK\x03\x04", "a zip archive (unpack it first)"),
    (b"SQLite format 3\x00", "an SQLite database of something else"),
)


def describe(head: bytes) -> str:
    """Return what a file beginning with `head` is: ``empty``, ``text``, ``a zip archive``, …"""
    if not head:
        return "empty"
    for magic, name in _MAGIC:
        if head.startswith(magic):
            return name
    try:
        # An incremental decoder, as the end of `head` may cut a character.
        text = codecs.getincrementaldecoder(json.detect_encoding(head))().decode(head)
    except ValueError:
        return "not text, and not in a known format"
    if text.lstrip("\ufeff \t\r\n")[:1] in ("{", "["):
        return "JSON, but neither a HAR (there is no log in it) nor DevTools events"
    if all(char.isprintable() or char in "\ufeff\t\r\n\f\x1b" for char in text):
        return "text"
    return "not text, and not in a known format"
