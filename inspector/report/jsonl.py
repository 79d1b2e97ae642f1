"""One JSON object a row: the contract for programs. Keys are only ever added."""

import base64
from collections.abc import Iterable
from functools import partial
from typing import Any

from inspector.model import ABSENT, Closed, Event, Finding, Gap, Kind, Mark, Opened, Plane, Undecoded, Verdict
from inspector.protocol.registry import CloseCode
from inspector.report.present import Shown, rendered
from inspector.wire import jsontext
from inspector.words import iso


def line(shown: Shown, raw: bytes | str | None = None, packets: Iterable[dict[str, Any]] | None = None) -> bytes:
    """Return `shown` as one line, with its newline.

    `raw`: the frames, for ``--raw`` and for what is undecoded, or a word for why they are not shown (`Presenter.raw`).
    `packets`: of voice media, for ``--packets``.
    """
    plain = raw is None and packets is None
    return rendered(shown, _written if plain else partial(_written, raw=raw, packets=packets))


def _written(shown: Shown, raw: bytes | str | None = None, packets: Iterable[dict[str, Any]] | None = None) -> bytes:
    found = record(shown, raw)
    if packets is not None and shown.event.plane is Plane.MEDIA and shown.event.kind is Kind.PAYLOAD:
        found["packets"] = list(packets)
    # JSON has no number for what is not finite; a decoder makes text of it.
    return jsontext.line(found, finite=shown.event.encoding == "json" and packets is None)


def record(shown: Shown, raw: bytes | str | None = None) -> dict[str, Any]:
    """Return `shown` as the object that is written."""
    event = shown.event
    found: dict[str, Any] = {
        "n": event.n,
        "at": iso(event.at_ns),
        "connection": event.connection,
        # The same as `value`, which is a property and takes five times as long.
        "plane": event.plane._value_,
        "kind": event.kind._value_,
        "direction": direction(event),
        "op": event.op,
        "name": shown.name,
        "event": event.event,
        "seq": event.seq,
        "wire_bytes": event.wire_bytes,
        "decoded_bytes": event.decoded_bytes,
        "encoding": event.encoding,
        "summary": shown.summary,
    }
    if shown.fault:
        found["fault"] = shown.fault
    if shown.d is not ABSENT:
        found["d"] = shown.d
    if shown.extra:
        found["extra"] = dict(shown.extra)
    if event.marks:
        found["marks"] = [mark.name.lower() for mark in Mark if mark & event.marks and mark.name]
    if event.opened is not None:
        found["open"] = _open(event.opened)
    if event.closed is not None:
        found["close"] = _close(event.closed, shown.close, event.verdict)
        if event.closed.told:
            found["close"]["told"] = {"side": event.closed.told, "code": 1000}
    if event.undecoded is not None:
        found["undecoded"] = _undecoded(event.undecoded)
    if event.gap is not None:
        found["gap"] = _gap(event.gap)
    if isinstance(raw, str):
        found["raw_withheld"] = raw
    elif raw is not None:
        found["raw"] = base64.b64encode(raw).decode()
    if event.answers is not None:
        found["answers"] = event.answers
    if event.latency_ns is not None:
        found["latency_ms"] = event.latency_ns / 1e6
    found["findings"] = [finding_record(finding) for finding in event.findings]
    return found


def finding_record(finding: Finding) -> dict[str, Any]:
    """Return a finding as the object that is written."""
    return {
        "rule": finding.rule,
        "severity": finding.severity.name.lower(),
        "text": finding.text,
        "evidence": list(finding.evidence),
    }


def verdict_record(verdict: Verdict) -> dict[str, Any]:
    """Return a verdict as the object that is written."""
    return {
        "cause": verdict.cause,
        "evidence": list(verdict.evidence),
        "reconnect": verdict.reconnect,
        "resume": verdict.resume,
        "advice": verdict.advice,
        "then": verdict.then or None,
        "then_row": verdict.then_event,
        "right": verdict.right,
    }


def direction(event: Event) -> str | None:
    """Return ``send`` for client to server, ``receive`` for server to client; None for opens and closes."""
    if event.from_client is None or event.kind is Kind.CLOSE:
        return None
    return "send" if event.from_client else "receive"


def _open(opened: Opened) -> dict[str, Any]:
    return {
        "url": opened.url,
        "status": opened.status,
        "refusal": opened.refusal,
        "client": opened.client,
        "headers": dict(opened.headers),
    }


def _close(closed: Closed, code: CloseCode | None, verdict: Verdict | None) -> dict[str, Any]:
    return {
        "code": closed.code,
        "name": (code.name or None) if code else None,
        "by": closed.by,
        "reason": closed.reason,
        "meaning": code.meaning if code else None,
        "cause": code.cause if code else None,
        "remedy": code.remedy if code else None,
        "reconnect": code.reconnect if code else None,
        "resume": code.resume if code else None,
        "verdict": verdict_record(verdict) if verdict else None,
    }


def _gap(gap: Gap) -> dict[str, Any]:
    return {
        "from": iso(gap.since_ns),
        "to": iso(gap.until_ns),
        "missing": gap.missing,
        "sent": gap.sent,
        "received": gap.received,
        "reason": gap.reason,
    }


def _undecoded(undecoded: Undecoded) -> dict[str, Any]:
    return {"reason": undecoded.reason, "offset": undecoded.offset, "text": undecoded.text}
