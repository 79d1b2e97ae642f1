"""Secrets around the payload of a row: in addresses and headers, in reasons and notes, in the bytes of a ping."""

import re
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from msgspec import structs

from inspector.model import Closed, Event, Finding, Kind, Opened, Verdict
from inspector.session.redact.digests import HIDDEN, MIN_DIGESTED, is_shown, mask
from inspector.session.redact.shapes import mask_reason, mask_text

# Bytes of a ping, up to which they are a count or a time.
FEW = 12

# Parameters of a gateway's address that say how it speaks, and nothing else.
_HARMLESS = frozenset({"v", "encoding", "compress", "client_id", "rpc", "dave"})
_ADDRESS = re.compile(
    r"(?P<scheme>[A-Za-z][A-Za-z0-9+.-]*://)(?:[^/?#@]*@)*(?P<host>[^/?#]*)(?P<path>[^?#]*)(?:\?(?P<query>[^#]*))?(?P<rest>#.*)?",
    re.DOTALL,
)
_HEADERS_OF_SECRETS = re.compile(r"auth|cookie|token|secret|key|session|password", re.IGNORECASE)
# Names of subprotocols: RFC 6455 section 1.9. Some clients write a token among them.
_SUBPROTOCOL = re.compile(r"[a-z][a-z.-]{0,23}(?:\.?v?\d{1,2}(?:\.\d{1,2})?)?")


def mask_url(url: str) -> str:
    """Return an address with its secrets masked: login and fragment, what is in its query beyond how the gateway
    speaks, and parts of its path that are no names. What is none is masked as `mask_reason` does."""
    found = _ADDRESS.fullmatch(url)
    if found is None:
        return mask_reason(url)
    query = "" if found["query"] is None else "?" + "&".join(map(_parameter, found["query"].split("&")))
    path = "/".join(part if _is_place(part) else HIDDEN for part in found["path"].split("/"))
    login = f"{HIDDEN}@" if "@" in url[len(found["scheme"]) : found.start("host")] else ""
    return found["scheme"] + login + mask_text(found["host"]) + path + query + (f"#{HIDDEN}" if found["rest"] else "")


def _is_place(part: str) -> bool:
    """Return whether part of a path is a name, or a host with its port, and nothing that is hard to guess."""
    words = re.split(r"[-._:]", part)
    return part == HIDDEN or all(re.fullmatch(r"[a-z]{0,24}|(?!\d{7})[a-z0-9]{1,11}", word) for word in words)


def mask_headers(headers: Mapping[str, str]) -> dict[str, str]:
    """Return headers of an upgrade with their secrets masked."""
    return {mask_reason(name): _header(name.removeprefix("response-"), str(value)) for name, value in headers.items()}


def _header(name: str, value: str) -> str:
    if name in ("sec-websocket-extensions", "user-agent", "server", "cf-ray"):
        return mask_reason(value)
    if name == "sec-websocket-protocol":
        items = (item.strip() for item in value.split(","))
        return ", ".join(item if _SUBPROTOCOL.fullmatch(item) or is_shown(item) else HIDDEN for item in items)
    if _HEADERS_OF_SECRETS.search(name):
        return HIDDEN
    return mask_url(value) if "://" in value else mask_reason(value)


def _parameter(text: str) -> str:
    name, equals, value = text.partition("=")
    if not equals:
        return mask_reason(text) if len(text) < MIN_DIGESTED else HIDDEN
    if not value or (name in _HARMLESS and len(value) <= 20 and mask_reason(value) == value):
        return text
    return f"{mask_reason(name)}={HIDDEN}"


def mask_opened(opened: Opened) -> Opened:
    """Return an opening with the secrets in its address, its headers and the reason of its refusal masked."""
    return replace(
        opened,
        # Another may have written the file, and numbers where there are to be texts.
        url=mask_url(opened.url) if isinstance(opened.url, str) else opened.url,
        headers=mask_headers(opened.headers) if isinstance(opened.headers, Mapping) else opened.headers,
        refusal=mask_reason(opened.refusal) if isinstance(opened.refusal, str) else opened.refusal,
    )


def mask_closed(closed: Closed) -> Closed:
    """Return an end with the secrets in its reason masked."""
    reason = mask_reason(closed.reason) if isinstance(closed.reason, str) else closed.reason
    return closed if reason == closed.reason else replace(closed, reason=reason)


def mask_finding(finding: Finding) -> Finding:
    """Return what a rule noticed with the secrets in its text masked."""
    text = mask_text(finding.text)
    return finding if text is finding.text else replace(finding, text=text)


def mask_verdict(verdict: Verdict) -> Verdict:
    """Return a verdict with the secrets in its texts masked."""
    cause, advice, then = (mask_text(text) for text in (verdict.cause, verdict.advice, verdict.then))
    return replace(verdict, cause=cause, advice=advice, then=then)


def mask_event(event: Event) -> Event:
    """Return a row with the secrets masked that are not in its payload; `event` itself if there are none."""
    changes: dict[str, Any] = {}
    for name in ("op", "event", "note"):
        text = getattr(event, name)
        if type(text) is str and len(text) >= MIN_DIGESTED and (masked := mask_text(text)) is not text:
            changes[name] = masked
    if event.findings:
        changes["findings"] = tuple(map(mask_finding, event.findings))
    if event.verdict is not None:
        changes["verdict"] = mask_verdict(event.verdict)
    if event.opened is not None:
        changes["opened"] = mask_opened(event.opened)
    if event.closed is not None:
        changes["closed"] = mask_closed(event.closed)
    if event.undecoded is not None:
        changes["undecoded"] = replace(event.undecoded, text=mask_text(event.undecoded.text))
    if event.gap is not None:
        changes["gap"] = replace(event.gap, reason=mask_reason(event.gap.reason))
    if event.kind is Kind.CONTROL and event.payload:
        changes["payload"] = mask_unknown(event.payload)
    return structs.replace(event, **changes) if changes else event


def mask_unknown(data: bytes) -> bytes:
    """Return bytes of no known form, as those of a ping, masked in the same length; few of them are kept."""
    return data if len(data) < FEW else mask(data, correlate=True)
