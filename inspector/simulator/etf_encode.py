"""Python values to Erlang's external term format, as Discord's server and its clients write it.

The rule: this writes what the other side would, oddities included; it shares nothing with the decoder it helps to test.
https://www.erlang.org/doc/apps/erts/erl_ext_dist.html
"""

import struct
from typing import Any


def encode(value: Any, *, atom_keys: bool = False) -> bytes:
    """Return `value` as one term.

    Takes what JSON can hold, and bytes. `atom_keys`: write the keys of maps as atoms, which servers do and clients must
    not. A string with lone surrogates becomes a binary that is not UTF-8.
    """
    out = bytearray(b"\x83")
    _write(out, value, atom_keys)
    return bytes(out)


def with_integer_ids(value: Any, key: str = "") -> Any:
    """Return a copy of `value` with snowflakes as integers, the form most of them have in the server's terms."""
    if isinstance(value, dict):
        return {name: with_integer_ids(item, name) for name, item in value.items()}
    if isinstance(value, list):
        return [with_integer_ids(item, key) for item in value]
    is_id = key == "id" or key.endswith(("_id", "_ids")) or key == "roles"
    return int(value) if is_id and isinstance(value, str) and value.isdecimal() else value


def _write(out: bytearray, value: Any, atom_keys: bool) -> None:
    match value:
        case None:
            _atom(out, "nil")
        case bool():
            _atom(out, "true" if value else "false")
        case int():
            _integer(out, value)
        case float():
            out += struct.pack(">Bd", 70, value)
        case str():
            _binary(out, value.encode("utf-8", "surrogatepass"))
        case bytes():
            _binary(out, value)
        case list() | tuple():
            _list(out, value, atom_keys)
        case dict():
            out += struct.pack(">BI", 116, len(value))
            for key, item in value.items():
                if atom_keys:
                    _atom(out, key)
                else:
                    _binary(out, key.encode())
                _write(out, item, atom_keys)
        case _:
            raise TypeError(f"no term for {type(value).__name__}")


def _atom(out: bytearray, name: str) -> None:
    text = name.encode()
    out += struct.pack(">BB", 119, len(text)) + text


def _binary(out: bytearray, data: bytes) -> None:
    out += struct.pack(">BI", 109, len(data)) + data


def _integer(out: bytearray, value: int) -> None:
    if 0 <= value <= 255:
        out += struct.pack(">BB", 97, value)
    elif -(2**31) <= value < 2**31:
        out += struct.pack(">Bi", 98, value)
    else:
        digits = abs(value).to_bytes((value.bit_length() + 7) // 8, "little")
        out += struct.pack(">BB", 110, len(digits)) if len(digits) < 256 else struct.pack(">BI", 111, len(digits))
        out.append(value < 0)
        out += digits


def _list(out: bytearray, values: list[Any] | tuple[Any, ...], atom_keys: bool) -> None:
    if not values:
        out.append(106)
    elif len(values) < 2**16 and all(type(item) is int and 0 <= item <= 255 for item in values):
        out += struct.pack(">BH", 107, len(values)) + bytes(values)
    else:
        out += struct.pack(">BI", 108, len(values))
        for item in values:
            _write(out, item, atom_keys)
        out.append(106)
