"""Every field that a filter can name: one list, for the parser, completion, help and errors."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Literal

from inspector.model import Kind, Mark, Plane

Type = Literal["number", "size", "id", "word", "text", "op", "close", "time", "severity", "mark"]


@dataclass(frozen=True, slots=True)
class Field:
    """Something about a row that can be compared."""

    name: str
    type: Type
    sql: str
    """An expression over the table ``event``, or over ``connection``; null where the row has no such thing."""
    help: str
    example: str
    words: tuple[str, ...] = ()
    """All values there are, where that is known."""
    aliases: tuple[str, ...] = ()
    by_beginning: bool = False
    """Equal is what begins alike: digests are long, and screens show four digits of them."""

    @property
    def is_of_connection(self) -> bool:
        """Whether `sql` is over the table ``connection``."""
        return "connection." in self.sql and "event." not in self.sql


def _of_connection(column: str) -> str:
    return f"(select {column} from connection where id = event.connection)"


_REST = "substr(connection.url, instr(connection.url, '://') + 3)"
# Up to the next slash or question mark.
_HOST = f"substr({_REST}, 1, instr(replace({_REST}, '?', '/') || '/', '/') - 1)"
_DIRECTION = "case event.from_client when 1 then 'send' when 0 then 'receive' end"

_RULES = "(select group_concat(rule, ' ') from finding where finding.event = event.id)"

FIELDS: tuple[Field, ...] = (
    Field("op", "op", "event.op", "opcode, by number or name", "op == heartbeat_ack"),
    Field("event", "text", "event.event", "name of the dispatched event", "event =~ MESSAGE_*", aliases=("t",)),
    Field(
        "dir",
        "word",
        _DIRECTION,
        "who sent it: send is client to server",
        "dir == send",
        ("send", "receive"),
        ("direction",),
    ),
    Field(
        "plane",
        "word",
        "event.plane",
        "which gateway",
        "plane == voice",
        tuple(plane.value for plane in Plane),
    ),
    Field("kind", "word", "event.kind", "what the row is", "kind == close", tuple(kind.value for kind in Kind)),
    Field("conn", "number", "event.connection", "number of the connection", "conn == 2", aliases=("connection",)),
    Field("n", "number", "event.id", "number of the row", "n >= 1200", aliases=("row",)),
    Field(
        "time", "time", "event.at", "time of day, date and time, or since the start", "time >= +30s", aliases=("at",)
    ),
    Field("seq", "number", "event.seq", "sequence number", "seq > 1800", aliases=("s",)),
    Field("bytes", "size", "event.wire_bytes", "bytes on the wire", "bytes > 4k", aliases=("wire",)),
    Field("decoded", "size", "event.decoded_bytes", "bytes of the decoded payload", "decoded > 1MB"),
    Field(
        "encoding", "word", "event.encoding", "encoding of the payload", "encoding == etf", ("json", "etf", "binary")
    ),
    Field(
        "compression",
        "word",
        "connection.compression",
        "of the connection",
        "compression == zstd-stream",
        ("none", "zlib-stream", "zstd-stream", "payload"),
    ),
    Field(
        "guild", "id", "event.guild_id", "the guild it is about", "guild == 1180000000000000042", aliases=("guild_id",)
    ),
    Field(
        "channel",
        "id",
        "event.channel_id",
        "the channel it is about",
        "channel == 1180000000000000050",
        aliases=("channel_id",),
    ),
    Field("user", "id", "event.user_id", "the user it is about", "user == 1180000000000000002", aliases=("user_id",)),
    Field(
        "close", "close", "event.close_code", "code of a close, by number or name", "close == 4014", aliases=("code",)
    ),
    Field(
        "by",
        "word",
        "case when event.kind = 'close' then " + _of_connection("closed_by") + " end",
        "who closed",
        "by == server",
        ("client", "server", "proxy"),
    ),
    Field(
        "reason",
        "text",
        "case event.kind when 'close' then " + _of_connection("close_reason") + " else event.reason end",
        "reason of a close, or why a row could not be decoded",
        'reason =~ "timed out"',
    ),
    Field(
        "rule",
        "text",
        f"case when event.severity then {_RULES} end",
        "ids of the rules with a finding at the row",
        "rule =~ *heartbeat*",
    ),
    Field("answers", "number", "event.answers", "number of the row that it answers", "answers == 12"),
    Field(
        "latency",
        "number",
        "event.latency / 1e6",
        "milliseconds since the row that it answers",
        "latency > 500",
    ),
    Field("note", "text", "event.note", "what gwinspect knows beyond the payload", "note =~ after*"),
    Field(
        "session",
        "text",
        "connection.session",
        "digest of the session, or the start of it",
        "session == 9f3a",
        by_beginning=True,
    ),
    Field("shard", "text", "connection.shard", "shard of the connection", "shard == 0/2"),
    Field("url", "text", "connection.url", "address that the client asked for", "url =~ *.discord.gg/*"),
    Field("host", "text", _HOST, "host of that address", "host =~ *us-east*"),
    Field("client", "text", "connection.client", "address of the client", "client =~ 127.*"),
    Field(
        "mark",
        "mark",
        "event.marks",
        "what the proxy did to it",
        "mark == injected",
        tuple(str(mark.name).lower() for mark in Mark if mark not in Mark.DAVE | Mark.NO_DAVE),
    ),
    Field(
        "finding",
        "severity",
        "nullif(event.severity, 0)",
        "the worst finding at the row",
        "finding >= warn",
        ("info", "warn", "error"),
        ("severity",),
    ),
)

BY_NAME: dict[str, Field] = {name: field for field in FIELDS for name in (field.name, *field.aliases)}


def names() -> Iterator[str]:
    """Yield the name of every field, aliases left out."""
    return (field.name for field in FIELDS)
