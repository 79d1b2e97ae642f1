"""Payloads as JSON: one a line, alone or in a record that says more of it, or behind some text.

Names of the fields of a record are guessed, where the user does not say them (`Hints.fields`). What comes behind text
is what programs print: ``12:00:01.5 shard 0 <- {"op":11}``. The text in front then says which way it went, and of which
shard it is.
"""

import re
from collections.abc import Iterator, Mapping

from inspector.importers.logs import times
from inspector.importers.logs.entries import Ended, Entry, Line, Said, Unreadable
from inspector.importers.logs.payloads import Envelope, envelope_of, has_one_way, members_of, text_of
from inspector.importers.source import clean
from inspector.model import Plane, Side

FIELDS: Mapping[str, tuple[str, ...]] = {
    "payload": ("payload", "data", "packet", "message", "msg", "raw", "frame", "event", "body"),
    "at": ("at", "time", "timestamp", "ts", "@timestamp", "date", "datetime", "when", "asctime"),
    "direction": (
        *("direction", "dir", "from_client", "outgoing", "incoming", "sent", "received", "side", "way"),
        *("type", "kind", "event", "name", "action", "message", "msg"),
    ),
    "shard": ("shard", "shard_id", "shardId", "shardID"),
    "connection": ("connection", "connection_id", "connectionId", "conn", "socket", "ws"),
    "url": ("url", "gateway"),
    "plane": ("plane",),
    "code": ("code", "close_code", "closeCode"),
    "reason": ("reason", "close_reason", "closeReason"),
    "by": ("by", "closed_by", "closedBy"),
}
"""What a record may say, and names that are tried for it, the likeliest first."""
SHARD = re.compile(r"shard[ _]?(?:id)?[ #:=]{0,2}(\d{1,6})", re.IGNORECASE)
"""How text in front of something names a shard."""

# The envelope of a payload. What else is in a payload that is a record is the record's.
_ENVELOPE = frozenset({"op", "d", "s", "t", "seq"})
_SENT = "send sent sending out outgoing outbound client tx up >> > -> => → ↑ true"
_RECEIVED = "receive received recv receiving in incoming inbound server rx down << < <- <= ← ↓ false"
_DIRECTIONS = dict.fromkeys(_SENT.split(), True) | dict.fromkeys(_RECEIVED.split(), False)
# Fields that, where they are true, say that the server sent it.
_INBOUND = frozenset({"incoming", "received"})
_CLOSES = frozenset({"close", "closed", "disconnect", "disconnected", "ws_close", "websocket_close"})
_SIDES: dict[str, Side] = {"client": "client", "server": "server"}
# Fields of records in which loggers have the line that a program printed.
_PRINTED = ("message", "msg", "log", "text", "line")
_PLANES = {plane.value: plane for plane in Plane}
# Where in a text a payload may begin, and words in front of it.
_BEGINS = re.compile(r'\{\s*"')
_WORD = re.compile(r"[a-z]+|[<>=-]{1,2}|[→←↑↓]")
# Characters of the text in front, and of a name for a connection.
_MOST_TEXT, _LONGEST_KEY = 300, 100


class JsonLines:
    """Reads payloads that are JSON."""

    name = "JSON Lines"

    def __init__(self, fields: Mapping[str, str] | None = None) -> None:
        self._named = dict(fields or {})

    def receive(self, line: Line) -> Iterator[Entry]:
        text = line.text
        if self._named:
            # Whatever their names are, they may be in a record only.
            if text.startswith("{"):
                yield from self._record(text.encode("utf-8", "surrogatepass"), line)
        elif 'op"' in text or 'op\\"' in text or 'ode"' in text:
            begin = _BEGINS.search(text, 0, _MOST_TEXT)
            if begin is not None:
                data = text[begin.start() :].encode("utf-8", "surrogatepass")
                if begin.start():
                    yield from self._behind(text[: begin.start()], data, line)
                else:
                    yield from self._record(data, line)

    def _behind(self, before: str, data: bytes, line: Line) -> Iterator[Entry]:
        envelope = envelope_of(data)
        if envelope is None:
            return
        shard = SHARD.search(before)
        words: list[bool] = []
        # A logger may be called client, so that words count only where the payload does not tell.
        if not has_one_way(envelope):
            words = [_DIRECTIONS[word] for word in _WORD.findall(before.lower()) if word in _DIRECTIONS]
        yield Said(shard[1] if shard else "", line.at, words[-1] if words else None, data, envelope)

    def _record(self, data: bytes, line: Line) -> Iterator[Entry]:
        record = members_of(data)
        if record is None:
            if (envelope := envelope_of(data)) is not None:
                # JSON proper does not allow it, but it is a payload.
                yield Said("", line.at, None, data, envelope)
            elif envelope_of(data.split(b'"d"')[0].rstrip(b", ") + b',"d":0}') is not None:
                yield Unreadable("is not whole JSON")
            return
        found = self._payload(record, data)
        at = times.of(_plain(self._value(record, "at"))) or line.at
        key = "/".join(_key(value) for name in ("connection", "shard") if (value := self._value(record, name)))
        if found is None:
            if (code := _code(self._value(record, "code"))) is not None and self._is_close(record):
                by = _SIDES.get(text_of(self._value(record, "by")) or "")
                yield Ended(key, at, code, clean(text_of(self._value(record, "reason")) or ""), by)
            elif "payload" in self._named and self._value(record, "payload") is not None:
                yield Unreadable(f"in the field {self._named['payload']} is not a gateway's")
            return
        payload, envelope = found
        url = clean(text_of(self._value(record, "url")) or "")
        yield Said(
            key,
            at,
            self._direction(record),
            payload,
            envelope,
            url=url if "://" in url else "",
            plane=_PLANES.get(text_of(self._value(record, "plane")) or ""),
        )

    def _payload(self, record: Mapping[str, bytes], data: bytes) -> tuple[bytes, Envelope] | None:
        """Return the payload of a record: the field that is one, or the record itself."""
        name = self._named.get("payload")
        if name is not None:
            value = _at_path(record, name)
            return _payload_in(value) if value is not None else None
        if "op" in record and (envelope := envelope_of(data)) is not None:
            others = [name for name in record if name not in _ENVELOPE]
            if not any(name in names for names in FIELDS.values() for name in others) and not self._named:
                return data, envelope
            kept = (f'"{name}":'.encode() + value for name, value in record.items() if name in _ENVELOPE)
            return b"{" + b",".join(kept) + b"}", envelope
        likely = [record[name] for name in FIELDS["payload"] if name in record]
        return next(filter(None, map(_payload_in, (*likely, *record.values()))), None)

    def _value(self, record: Mapping[str, bytes], what: str) -> bytes | None:
        if what in self._named:
            return _at_path(record, self._named[what])
        return next((record[name] for name in FIELDS[what] if name in record), None)

    def _direction(self, record: Mapping[str, bytes]) -> bool | None:
        """Return whether the record says that the client sent it; None where it says nothing of that."""
        named = self._named.get("direction")
        for name in (named,) if named is not None else FIELDS["direction"]:
            value = _at_path(record, name) if named is not None else record.get(name)
            if value is None or len(value) > _LONGEST_KEY:
                continue
            said = _DIRECTIONS.get((text_of(value) or value.decode("utf-8", "replace")).strip().lower())
            if said is not None:
                is_flag = value in (b"true", b"false")
                return said != (name in _INBOUND) if is_flag else said
        return None

    @staticmethod
    def _is_close(record: Mapping[str, bytes]) -> bool:
        texts = (text_of(value) for value in record.values() if len(value) < _LONGEST_KEY)
        return any(text.lower() in _CLOSES for text in texts if text)


def printed_in(line: Line) -> list[Line]:
    """Return the lines that a program printed and its logger, or what runs it, put into a record; often none."""
    record = members_of(line.text.encode("utf-8", "surrogatepass")) if line.text.startswith("{") else None
    if record is None:
        return []
    printed = next((said for name in _PRINTED if (said := text_of(record.get(name))) is not None), "")
    at = next((at for name in FIELDS["at"] if (at := times.of(_plain(record.get(name)))) is not None), None)
    return [Line(each, at or times.in_line(each)) for each in printed.split("\n") if each]


def _payload_in(value: bytes) -> tuple[bytes, Envelope] | None:
    """Return the payload that a value is, or that is in a text."""
    said = text_of(value)
    data = said.encode("utf-8", "surrogatepass") if said is not None else value
    if data.lstrip()[:1] != b"{":
        return None
    envelope = envelope_of(data)
    return (data, envelope) if envelope is not None else None


def _at_path(record: Mapping[str, bytes], path: str) -> bytes | None:
    """Return the value at ``a.b`` of a record, or of a field that has a dot in its name."""
    if path in record:
        return record[path]
    name, dot, rest = path.partition(".")
    within = members_of(record[name]) if dot and name in record else None
    return _at_path(within, rest) if within is not None else None


def _plain(value: bytes | None) -> str | int | float | None:
    """Return a value that is short and a text or a number."""
    if value is None or len(value) > _LONGEST_KEY:
        return None
    said = text_of(value)
    if said is not None:
        return said
    written = value.decode("utf-8", "replace")
    try:
        return int(written) if written.isdecimal() else float(written)
    except ValueError:
        return None


def _key(value: bytes) -> str:
    return clean(text_of(value) or value.decode("utf-8", "replace"))[:_LONGEST_KEY]


def _code(value: bytes | None) -> int | None:
    code = _plain(value)
    return code if isinstance(code, int) and 1000 <= code < 5000 else None
