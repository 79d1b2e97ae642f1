"""What Python's ``repr`` made of a payload, back into JSON.

A text of that form is turned into JSON in one pass: there is no syntax tree of it, which would take a hundred times its
size, and nothing is evaluated. Whether the result is JSON is for its reader to find out.

Most strings need no more than other quotes around them, and what is between two that do is done at once. One by one,
strings made a message of a kilobyte five times as slow.
"""

import json
import re

# What is plain, and then a string that is not: with a quote or a backslash in it, or in double quotes.
_PIECE = re.compile(
    r"""((?:[^'"]++|'[^'"\\]*+')*+)"""
    r"""(?:'([^'\\]*+(?:\\.[^'\\]*+)*+)'|"([^"\\]*+(?:\\.[^"\\]*+)*+)"|\Z)""",
    re.DOTALL,
)
_SURROGATE = re.compile("[\ud800-\udfff]")
_WORD = re.compile(r"\b(?:None|True|False)\b")
_ESCAPE = re.compile(r"\\(?:x([0-9a-fA-F]{2})|u([0-9a-fA-F]{4})|U([0-9a-fA-F]{8})|(.))", re.DOTALL)
_BYTE = re.compile(rb"\\(?:x([0-9a-fA-F]{2})|(.))", re.DOTALL)
_WORDS = {"None": "null", "True": "true", "False": "false"}
_PLAIN = {"n": "\n", "r": "\r", "t": "\t"}
_PLAIN_BYTES = {b"n": b"\n", b"r": b"\r", b"t": b"\t"}


def json_of(literal: str) -> bytes:
    """Return the JSON for a dict, list, text, number, bool or None as Python shows it."""
    pieces, end = [], 0
    while end < len(literal) and (found := _PIECE.match(literal, end)):
        plain, single, double = found.groups()
        pieces.append(_plain(plain))
        if single is not None or double is not None:
            text = _ESCAPE.sub(_character, single or double or "")
            # Lone surrogates have no UTF-8, but JSON has escapes for them.
            pieces.append(json.dumps(text, ensure_ascii=_SURROGATE.search(text) is not None))
        end = found.end()
    return "".join((*pieces, literal[end:])).encode("utf-8", "surrogatepass")


def bytes_of(literal: str) -> bytes | None:
    """Return the bytes that Python shows as ``b'…'``; None where that is not what it is."""
    if len(literal) < 3 or literal[0] != "b" or literal[1] not in "'\"" or literal[-1] != literal[1]:
        return None
    return _BYTE.sub(_byte, literal[2:-1].encode("utf-8", "surrogatepass"))


def _plain(text: str) -> str:
    """Return the JSON for text whose strings are in single quotes and have neither quotes nor backslashes in them."""
    parts = text.split("'")
    # Between strings there is no quote, so that one can mark where the strings were.
    parts[::2] = _WORD.sub(_word, "'".join(parts[::2])).split("'")
    return '"'.join(parts)


def _word(found: re.Match[str]) -> str:
    return _WORDS[found[0]]


def _character(found: re.Match[str]) -> str:
    digits = found[1] or found[2] or found[3]
    if digits is None:
        return _PLAIN.get(found[4], found[4])
    number = int(digits, 16)
    return chr(number) if number <= 0x10FFFF else "\ufffd"


def _byte(found: re.Match[bytes]) -> bytes:
    if found[1] is not None:
        return bytes([int(found[1], 16)])
    return _PLAIN_BYTES.get(found[2], found[2])
