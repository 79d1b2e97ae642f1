"""What Python's ``repr`` made of a payload, back into JSON.

A text of that form is turned into JSON token by token, in one pass: there is no syntax tree of it, which would take a
hundred times its size, and nothing is evaluated. Whether the result is JSON is for its reader to find out.
"""

import json
import re

_TOKEN = re.compile(
    r"""'(?P<single>[^'\\]*+(?:\\.[^'\\]*+)*+)'|"(?P<double>[^"\\]*+(?:\\.[^"\\]*+)*+)"|(?P<word>None|True|False)\b""",
    re.DOTALL,
)
_ESCAPE = re.compile(r"\\(?:x([0-9a-fA-F]{2})|u([0-9a-fA-F]{4})|U([0-9a-fA-F]{8})|(.))", re.DOTALL)
_BYTE = re.compile(rb"\\(?:x([0-9a-fA-F]{2})|(.))", re.DOTALL)
_WORDS = {"None": "null", "True": "true", "False": "false"}
_PLAIN = {"n": "\n", "r": "\r", "t": "\t"}
_PLAIN_BYTES = {b"n": b"\n", b"r": b"\r", b"t": b"\t"}


def json_of(literal: str) -> bytes:
    """Return the JSON for a dict, list, text, number, bool or None as Python shows it."""
    return _TOKEN.sub(_token, literal).encode("utf-8", "surrogatepass")


def bytes_of(literal: str) -> bytes | None:
    """Return the bytes that Python shows as ``b'…'``; None where that is not what it is."""
    if len(literal) < 3 or literal[0] != "b" or literal[1] not in "'\"" or literal[-1] != literal[1]:
        return None
    return _BYTE.sub(_byte, literal[2:-1].encode("utf-8", "surrogatepass"))


def _token(found: re.Match[str]) -> str:
    if found["word"]:
        return _WORDS[found["word"]]
    body = found["single"] if found["single"] is not None else found["double"]
    return json.dumps(_ESCAPE.sub(_character, body) if "\\" in body else body, ensure_ascii=False)


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
