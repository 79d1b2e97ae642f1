"""The numbers of a recording for programs: one JSON object a line. Keys are only ever added."""

from collections.abc import Iterator
from typing import Any

from inspector.analysis.stats import (
    ConnectionStats,
    HeartbeatStats,
    MediaStats,
    NameStats,
    RuleStats,
    Stats,
    Traffic,
)
from inspector.model import StartLimit
from inspector.wire import jsontext
from inspector.words import iso

_WAYS = {True: "send", False: "receive", None: None}


def jsonl(stats: Stats, capture: str) -> Iterator[bytes]:
    """Yield the lines of one recording, each with its newline. `capture`: its path, as it was asked for."""
    for kind, record in _records(stats):
        yield jsontext.line({"kind": kind, "capture": capture} | record)


def _records(stats: Stats) -> Iterator[tuple[str, dict[str, Any]]]:
    yield "capture", _capture(stats)
    for connection in stats.connections:
        yield "connection", _connection(connection)
    for name in stats.names:
        yield "opcode", _name(name)
    for heartbeats in stats.heartbeats:
        yield "round-trips", _round_trips(heartbeats)
    for media in stats.media:
        yield "media", _media(media)
    for rule in stats.rules:
        yield "rule", _rule(rule)
    for limit in stats.start_limits:
        yield "start-limit", _start_limit(limit)


def _capture(stats: Stats) -> dict[str, Any]:
    return {
        "began_at": iso(stats.began_ns) if stats.rows else None,
        "ended_at": iso(stats.ended_ns) if stats.rows else None,
        "duration_ms": _ms(max(stats.ended_ns - stats.began_ns, 0)),
        "filtered": stats.filtered,
        "connections": len(stats.connections),
        "sessions": stats.sessions,
        "rows": stats.rows,
        "frames": stats.frames,
        "send": _traffic(stats.sent),
        "receive": _traffic(stats.received),
        "messages_of_other_opcodes": stats.unnamed,
        "rows_of_other_media": stats.unheard,
    }


def _connection(connection: ConnectionStats) -> dict[str, Any]:
    closed = connection.closed
    return {
        "connection": connection.id,
        "plane": connection.plane.value,
        "host": connection.host,
        "version": connection.version,
        "encoding": connection.encoding,
        "compression": connection.compression,
        "session": connection.session,
        "shard": connection.shard,
        "parent": connection.parent,
        "dave": connection.dave,
        "refusal": connection.refusal,
        "opened_at": iso(connection.opened_ns),
        "duration_ms": _ms(connection.lasted_ns),
        "rows": connection.rows,
        "messages_per_s": connection.per_second,
        "send": _traffic(connection.sent),
        "receive": _traffic(connection.received),
        "close": closed and {"code": closed.code, "name": connection.close_name or None, "by": closed.by},
        "findings": {severity.name.lower(): count for severity, count in connection.findings.items()},
    }


def _name(name: NameStats) -> dict[str, Any]:
    return {
        "plane": name.plane.value,
        "row_kind": name.kind.value,
        "direction": _WAYS[name.from_client],
        "op": name.op,
        "event": name.event,
        "name": name.name,
        "count": name.count,
        "wire_bytes": name.wire_bytes,
        "decoded_bytes": name.decoded_bytes,
        "mean_wire_bytes": name.mean_wire,
        "largest_wire_bytes": name.largest_wire,
    }


def _round_trips(heartbeats: HeartbeatStats) -> dict[str, Any]:
    return {
        "connection": heartbeats.connection,
        "plane": heartbeats.plane.value,
        "sent": heartbeats.sent,
        "answered": heartbeats.answered,
        "unanswered": heartbeats.unanswered,
        "min_ms": _ms(heartbeats.shortest_ns),
        "median_ms": _ms(heartbeats.median_ns),
        "p95_ms": _ms(heartbeats.p95_ns),
        "max_ms": _ms(heartbeats.longest_ns),
    }


def _media(media: MediaStats) -> dict[str, Any]:
    return {
        "connection": media.connection,
        "direction": _WAYS[media.from_client],
        "ssrc": media.ssrc,
        "user_id": media.user_id,
        "media": media.media,
        "codec": media.codec,
        "rows": media.rows,
        "packets": media.packets,
        "bytes": media.bytes,
        "duration_ms": media.duration_ms,
        "kbit_per_s": media.kbit_per_s,
        "lost": media.lost,
        "loss": media.loss,
        "reordered": media.reordered,
        "duplicates": media.duplicates,
        "jitter_ms": media.jitter_ms,
        "max_jitter_ms": media.largest_jitter_ms,
    }


def _rule(rule: RuleStats) -> dict[str, Any]:
    return {
        "rule": rule.rule,
        "severity": rule.severity.name.lower(),
        "count": rule.count,
        "first_row": rule.first,
    }


def _start_limit(limit: StartLimit) -> dict[str, Any]:
    return {
        "at": iso(limit.at_ns),
        "token": limit.token,
        "shards": limit.shards,
        "total": limit.total,
        "remaining": limit.remaining,
        "reset_after_ms": limit.reset_after_ms,
        "max_concurrency": limit.max_concurrency,
    }


def _traffic(traffic: Traffic) -> dict[str, Any]:
    return {
        "messages": traffic.messages,
        "wire_bytes": traffic.wire_bytes,
        "decoded_bytes": traffic.decoded_bytes,
        "ratio": traffic.ratio,
    }


def _ms(ns: int | None) -> float | None:
    return None if ns is None else ns / 1e6
