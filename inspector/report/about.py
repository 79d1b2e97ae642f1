"""What a row of the timeline is: what such a thing means, who sends it, and what is special about this one.

What is true of any such payload or close comes out of the tables by way of `explain`; here stands what a certain row
adds to it. Texts from the wire are clipped and made inert, and there is always something to say.
"""

from collections.abc import Iterator, Sequence
from dataclasses import replace
from urllib.parse import parse_qsl, urlsplit

from inspector.diagnose.gaps import is_endless
from inspector.diagnose.ids import rule_of
from inspector.inert import short
from inspector.model import Event, Kind, Knows, Mark, Opened, Plane, Undecoded
from inspector.protocol.ops import GatewayOp
from inspector.protocol.registry import Registry
from inspector.report.explain import (
    Entry,
    Explanation,
    entry,
    explain_capabilities,
    explain_close,
    explain_event,
    explain_intents,
    explain_opcode,
)
from inspector.report.present import Shown
from inspector.report.rows import Rows
from inspector.report.text import sentence_of
from inspector.session.hops import hops_of
from inspector.session.redact import is_lost
from inspector.session.state import Connection
from inspector.wire.dialect import Compression, dialect_of
from inspector.words import duration, listed, round_trip, size

# Characters of one text from the wire, and how many of a kind are named.
_LONGEST, _MOST = 120, 8


def about(shown: Shown, rows: Rows, registry: Registry) -> Explanation:
    """Return what the row `shown` is; `rows` is where it came from. There is at least one entry."""
    event = shown.event
    match event.kind:
        case Kind.PAYLOAD:
            found = [*_payload(shown, registry), *_this_one(shown, registry)]
        case Kind.CLOSE:
            found = _close(shown, rows.connection(event.connection), registry)
        case Kind.OPEN:
            found = [_open(event, rows.connection(event.connection))]
        case Kind.UNDECODED:
            found = [_undecoded(event, rows.connection(event.connection)), *_this_one(shown, registry)]
        case Kind.CONTROL:
            found = [_control(event)]
        case Kind.GAP:
            found = [_gap(event, rows.connection(event.connection))]
    return Explanation(found[0].title, (*_verdict(event), *found, *_noticed(event)))


def _verdict(event: Event) -> Iterator[Entry]:
    """Yield what ended a connection, in this case."""
    verdict = event.verdict
    if verdict is not None:
        yield entry(
            "What ended it",
            "verdict",
            ("Here", verdict.cause),
            ("Evidence", _rows(verdict.evidence)),
            ("What to do", verdict.advice),
            ("Reconnect", _ANSWERS[verdict.reconnect]),
            ("Resume", _ANSWERS[verdict.resume]),
            ("Then", sentence_of(verdict).removeprefix("Then: ")),
        )


def _noticed(event: Event) -> Iterator[Entry]:
    """Yield what the rules noticed at a row; what stands for a close is its verdict."""
    for finding in event.findings:
        rule = rule_of(finding.rule)
        if rule is None and event.verdict is not None:
            continue
        yield entry(
            finding.rule,
            f"finding, {finding.severity.name.lower()}",
            ("Noticed", finding.text),
            ("Evidence", _rows(finding.evidence)),
            ("Matters", rule.why if rule else ""),
            ("What to do", rule.remedy if rule else ""),
        )


_ANSWERS = {True: "yes", False: "no", None: "not documented"}


def _rows(numbers: Sequence[int]) -> str:
    more = f" and {len(numbers) - _MOST} more" if len(numbers) > _MOST else ""
    return f"row {', '.join(map(str, numbers[:_MOST]))}{more}" if numbers else ""


# Payloads.


def _payload(shown: Shown, registry: Registry) -> Iterator[Entry]:
    event = shown.event
    if event.op is None:
        yield _no_opcode(event)
        return
    op = event.op if isinstance(event.op, int) else _clipped(event.op)
    opcode = explain_opcode(op, event.plane, registry, from_client=event.from_client)
    if event.event is None:
        yield opcode
    else:
        # Some of RPC's events are called like the gateway's, and are something else.
        if event.plane is Plane.GATEWAY:
            yield explain_event(_clipped(event.event), registry)
        yield opcode
    if event.plane is Plane.GATEWAY and event.op == GatewayOp.IDENTIFY and isinstance(shown.d, dict):
        for key, explain in (("intents", explain_intents), ("capabilities", explain_capabilities)):
            value = shown.d.get(key)
            if type(value) is int and 0 <= value < 1 << 64:
                yield explain(value, registry)


def _no_opcode(event: Event) -> Entry:
    key = "cmd" if event.plane is Plane.RPC else "op"
    return entry(
        f"no {key}",
        "not a valid payload",
        ("Means", f"It could be read, but it has no valid {key}, so what it is for is unknown."),
        ("What to do", f"Look at its body. The sender left out {key}, or sent something else in its place."),
    )


def _this_one(shown: Shown, registry: Registry) -> Iterator[Entry]:
    """Yield what sets this payload apart from others of its kind, if anything does."""
    event = shown.event
    here = entry(
        "This one",
        f"row {event.n}",
        ("Noted", _clipped(event.note or "", 2 * _LONGEST)),
        ("Server's time", list(_server_time(shown))),
        ("Direction", _wrong_way(event, registry)),
        ("The proxy", [said for mark, said in _DONE.items() if mark & event.marks]),
        ("Also has", ", ".join(_clipped(str(key), 40) for key in list(shown.extra)[:_MOST])),
    )
    if here.sections:
        yield here


def _server_time(shown: Shown) -> Iterator[str]:
    """Yield what the server says it spent time on, what took longest first."""
    event = shown.event
    if event.plane is not Plane.GATEWAY or event.event not in ("READY", "RESUMED"):
        return
    hops = hops_of(shown.d)
    for hop in hops[:_MOST]:
        yield f"{round_trip(hop.lasted_ns)}  {hop.name}" + (f", called by {hop.caller}" if hop.caller else "")
    if len(hops) > _MOST:
        yield f"and {len(hops) - _MOST:,} more, none longer"


def _wrong_way(event: Event, registry: Registry) -> str:
    row = registry.opcode(event.plane, event.op, from_client=event.from_client)
    if row is None or event.from_client is None or row.direction == "both":
        return ""
    if (row.direction == "send") is event.from_client:
        return ""
    side, other = ("client", "server") if event.from_client else ("server", "client")
    return f"The {side} sent it, though this is for the {other} to send."


# Closes.


def _close(shown: Shown, connection: Connection, registry: Registry) -> list[Entry]:
    event = shown.event
    closed = event.closed
    if closed is None:
        return [entry("closed", "end of a connection", ("What happened", "The connection ended."))]
    lasted = closed.at_ns - connection.opened.at_ns
    sections = (
        ("Closed by", _CLOSERS.get(closed.by, "")),
        ("Reason given", _clipped(closed.reason)),
        ("The proxy", _TOLD.format(closed.told) if closed.told else ""),
        ("On the wire", _FORBIDDEN if closed.marks & Mark.FORBIDDEN else ""),
        (
            "Connection",
            f"{connection.id}, open for {duration(lasted)}" if connection.opened.at_ns and lasted > 0 else "",
        ),
        ("Session", _session(connection)),
        ("Noted", _clipped(event.note or "", 2 * _LONGEST)),
    )
    here = entry("This one", f"row {event.n}", *sections)
    if closed.code is None:
        if not closed.is_recorded and event.plane is not Plane.MEDIA:
            return [entry("end not recorded", "end of what is known about a connection", ("Means", _NO_END), *sections)]
        return [entry("closed", "end of a connection, without a code", ("What happened", _NO_CODE), *sections)]
    code = explain_close(shown.close or closed.code, registry)
    if closed.by in ("client", "server"):
        # What the other end would have meant by it is another story.
        code = replace(code, sections=tuple(part for part in code.sections if part.label not in _BY_SIDE))
    return [code, here]


def _session(connection: Connection) -> str:
    shard = f"shard {connection.shard}" if connection.shard else ""
    session = f"{connection.session[:4]} (digest of its id)" if connection.session else ""
    if is_lost(connection.session):
        session = f"of row {(connection.session or '').lstrip('*')} (its id is masked)"
    return _clipped(", ".join(filter(None, (session, shard))))


# Opens.


def _open(event: Event, connection: Connection) -> Entry:
    opened = event.opened or connection.opened
    refused = opened.refusal is not None
    dialect = dialect_of(opened.url)
    compression = dialect.compression
    return entry(
        "Connection refused" if refused else "Connection opened",
        f"{_PLANES[event.plane]}, connection {event.connection}",
        ("Means", _REFUSED if refused else _LATE if opened.joined_late else _OPENED),
        ("Refused", _clipped(opened.refusal or "", 10 * _LONGEST)),
        ("Not recorded", "" if refused else listed(_unknown(opened))),
        ("Upgrade", _upgrade(opened)),
        ("Host", _host(opened)),
        (
            "v",
            f"{dialect.version}: the version of the protocol that the client speaks"
            if dialect.version
            else _NO_VERSION,
        ),
        (
            "encoding",
            _ENCODINGS.get(dialect.encoding or "", f"{_clipped(dialect.encoding or '', 40)}: unknown"),
        ),
        ("compress", _COMPRESSIONS[compression or Compression.NONE] if _is_plain(opened) else _UNKNOWN_COMPRESSION),
        ("On the wire", _as_seen(connection)),
        ("Also asked", _other_parameters(opened)),
        ("Client", _clipped(opened.client or "")),
        (
            "Headers",
            [f"{_clipped(name, 40)}: {_clipped(value)}" for name, value in list(opened.headers.items())[:_MOST]],
        ),
    )


def _upgrade(opened: Opened) -> str:
    if opened.status is None:
        return "There was no HTTP answer; TLS or the network ended the attempt."
    if opened.status == 101:
        return "101 Switching Protocols: from here on both ends send WebSocket messages."
    return f"{opened.status}: anything but 101 means that there is no WebSocket."


def _unknown(opened: Opened) -> Iterator[str]:
    return (said for knows, said in NOT_RECORDED.items() if knows not in opened.knows)


def _host(opened: Opened) -> str:
    try:
        # Not what is before an @, which would be a password.
        return _clipped(urlsplit(opened.url).netloc.rpartition("@")[2])
    except ValueError:
        return "a URL that cannot be read"


def _is_plain(opened: Opened) -> bool:
    """Say whether the URL asks for a compression that we know, or for none."""
    return dialect_of(opened.url).compression is not None or "compress" not in dict(_parameters(opened))


def _parameters(opened: Opened) -> list[tuple[str, str]]:
    try:
        return parse_qsl(urlsplit(opened.url).query, keep_blank_values=True, max_num_fields=100)
    except ValueError:
        return []


def _other_parameters(opened: Opened) -> str:
    # Names only: a value may be a secret.
    names = [name for name, _ in _parameters(opened) if name not in ("v", "encoding", "compress")]
    return ", ".join(_clipped(name, 40) for name in names[:_MOST])


def _as_seen(connection: Connection) -> str:
    """Say how the connection turned out to speak, where that is known."""
    compression = _SEEN.get(connection.compression or "", connection.compression or "")
    return _clipped(", ".join(filter(None, (connection.encoding, compression))))


# What could not be read, and control frames.


def _undecoded(event: Event, connection: Connection) -> Entry:
    undecoded = event.undecoded or Undecoded("", "")
    means, remedy = _REASONS.get(undecoded.reason, ("These bytes could not be read.", _LOOK_AT_WIRE))
    lost = ""
    if connection.unread_frames:
        unread = f"{connection.unread_frames:,} messages ({size(connection.unread_bytes)})"
        lost = f"{unread} of this connection came after its stream was lost, and are kept raw."
    return entry(
        _clipped(undecoded.reason) or "undecoded",
        "bytes that could not be read",
        ("Means", means),
        ("Found", _clipped(undecoded.text, 3 * _LONGEST)),
        ("Where", f"byte {undecoded.offset:,}" if undecoded.offset is not None else ""),
        ("What to do", remedy),
        ("After it", lost),
    )


_GAPS = {
    "packets": "Record whole packets (-s 0), with a larger buffer (dumpcap -B 64), on the machine of the client.",
    "tls": "Look whether the file is damaged. What came before can be relied on.",
    "frames": "Look at what wrote those frames: the other end will have closed the connection with 1002.",
}


def _gap(event: Event, connection: Connection) -> Entry:
    gap = event.gap
    if gap is not None and is_endless(gap):
        return entry(
            "gap",
            "the rest of one side was not recorded",
            (
                "Means",
                "Both ends heard all of it; only the recording lacks it. The other side continues.",
            ),
            ("Why", _clipped(event.note or "", 2 * _LONGEST)),
            ("What to do", _GAPS[gap.reason]),
        )
    lost = f"{connection.unread_frames:,} messages after it could not be read: the compressed stream broke here."
    return entry(
        "gap",
        "messages that were not recorded",
        ("Means", "Both ends got these messages; they are missing only from the recording."),
        ("Missing", f"{gap.sent:,} of the client, {gap.received:,} of the server" if gap is not None else ""),
        ("For", duration(gap.until_ns - gap.since_ns) if gap is not None else ""),
        ("Why", _clipped(event.note or "", 2 * _LONGEST)),
        ("After it", lost if connection.unread_frames else ""),
        ("What to do", "Free some disk space, or record to a faster disk. Draw no conclusions from this period."),
    )


def _control(event: Event) -> Entry:
    name = "pong" if event.event == "pong" else "ping"
    side, other = ("client", "server") if event.from_client else ("server", "client")
    return entry(
        name,
        f"control frame of WebSocket, from the {side}",
        ("Means", _CONTROLS[name].format(side=side, other=other)),
        ("Carries", size(event.wire_bytes) if event.wire_bytes else "nothing"),
        (
            "Not to be",
            "mistaken for the heartbeats of Discord, which are payloads (op 1); without those Discord closes the "
            "connection.",
        ),
        ("Source", "RFC 6455, sections 5.5.2 and 5.5.3 https://www.rfc-editor.org/rfc/rfc6455#section-5.5.2"),
    )


def _clipped(text: str, limit: int = _LONGEST) -> str:
    return short(text, limit, "...")


_PLANES = {
    Plane.GATEWAY: "main gateway",
    Plane.VOICE: "voice gateway",
    Plane.REMOTE_AUTH: "remote auth gateway",
    Plane.RPC: "local RPC",
    Plane.MEDIA: "voice UDP",
}
_DONE = {
    Mark.INJECTED: "created it; the other end never sent it.",
    Mark.DROPPED: "did not forward it.",
    Mark.CHANGED: "forwarded something else; the wire view has both.",
}
_CLOSERS = {
    "client": "the client",
    "server": "the server",
    "proxy": "the proxy between them, not by either end",
    None: "unknown: the recording does not say who closed first",
}
_TOLD = (
    "mitmproxy sent 1000 (Normal Closure) to the {} instead. What that end does next answers the 1000. The gwinspect "
    "addon passes closes on as they are, unless gwinspect_closes is off."
)
_FORBIDDEN = "A close frame had this code. WebSocket allows 1000 to 1003, 1007 to 1014 and 3000 to 4999 there."
_BY_SIDE = ("By the client", "By the server")
NOT_RECORDED = {
    Knows.END: "how it ended",
    Knows.CLOSER: "who closed it",
    Knows.TIMES: "when its messages passed",
    Knows.PINGS: "pings and pongs",
    Knows.BOTH_SIDES: "what both sides said",
    Knows.WIRE: "messages as they were on the wire: sizes, compression",
}
"""What its source does not record, in words."""
_NO_CODE = (
    "The recording does not say with which code. Either it ended before the connection did, or it comes from a file "
    "format without close codes."
)
_NO_END = (
    "Nothing more of this connection was recorded: files like this one do not say how a connection ends, or it was "
    "saved before that. The connection may have continued, so the silence after this row means nothing."
)
_OPENED = "A client asked for a WebSocket, and the server agreed. The server speaks first, usually with Hello."
_LATE = (
    "The recording begins in the middle of this connection. What the client sends can be read; a compressed stream of "
    "the server's cannot, without its beginning."
)
_REFUSED = "A client asked for a WebSocket and did not get one."
_NO_VERSION = "missing: the server chooses a version, often an old one"
_ENCODINGS = {
    "json": "json: payloads are JSON text",
    "etf": "etf: payloads are terms of Erlang's external term format, in binary messages",
    "": "missing: the server uses json",
}
_COMPRESSIONS = {
    Compression.ZLIB: "zlib-stream: all that the server sends is one zlib stream; a payload ends at 00 00 ff ff",
    Compression.ZSTD: "zstd-stream: all that the server sends is one zstd frame, flushed after each payload",
    Compression.NONE: "missing: the server does not compress, unless Identify asks for it payload by payload",
}
_UNKNOWN_COMPRESSION = "unknown; gwinspect knows zlib-stream and zstd-stream"
_SEEN = {"none": "not compressed", "payload": "single payloads compressed with zlib"}
_LOOK_AT_WIRE = "Look at the bytes in the wire view."
_REASONS = {
    "joined-late": (
        "The recording began in the middle of a compressed stream, which can only be read from its start.",
        "Start the recording before the client connects, or make the client connect again.",
    ),
    "corrupt": (
        "The compressed stream is broken here: a message was lost or damaged on the way, or it is not what it seems "
        "to be. All later messages from the server on this connection depend on what came before.",
        "See whether the recording has a gap here. A new connection begins a new stream and can be read again.",
    ),
    "missing": (
        "Messages of this compressed stream were not recorded, and what follows them cannot be read without them.",
        "See the row of the gap before it. A new connection begins a new stream and can be read again.",
    ),
    "ended": (
        "The server had ended its compressed stream, and sent more after it.",
        "Check whether something else took over the connection; a new connection can be read again.",
    ),
    "limit": (
        "Decoding it would take more memory or depth than any real payload does, so it was not decoded.",
        "Look at who sent it. Discord does not send such things; a broken or hostile server may.",
    ),
    "fault": (
        "A bug in gwinspect kept it from reading this. The bytes are in the capture as they were seen.",
        "Please report the bug, with what is named here. A newer version may read it: `gwinspect reindex`.",
    ),
    "not-json": (
        "It begins like JSON but is not JSON.",
        "Look at the place in the wire view. If the client sent it, its encoder is broken, and close 4002 follows.",
    ),
    "bad-etf": (
        "It is not in Erlang's external term format, or is a kind of term that Discord does not use.",
        "Look at the place in the wire view. If the client sent it, its encoder is broken, and close 4002 follows.",
    ),
    "truncated": (
        "The payload is cut off: the rest never came, or something else began in its place.",
        "See what happened next on this connection. Usually it was closed in the middle of a payload.",
    ),
    "empty": (
        "A message of no bytes. WebSocket allows it, but Discord does not use it.",
        "Nothing, if the server sent it. If the client did, find out why it sends empty messages.",
    ),
}
_CONTROLS = {
    "ping": "The {side} checks on the WebSocket level whether the {other} is there; a pong with the same bytes "
    "answers.",
    "pong": "The {side} is there: it answers a ping from the {other} with the same bytes, or sends one unasked.",
}
