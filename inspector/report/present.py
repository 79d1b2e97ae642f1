"""An event made ready to be shown: its payload read again, its secrets masked, its summary written."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from inspector.model import ABSENT, Event, Kind, Payload
from inspector.protocol.registry import CloseCode, Registry
from inspector.report.rows import Rows
from inspector.session.redact import Redactor
from inspector.session.summarize import summarize
from inspector.wire.decoder import read_payload


@dataclass(frozen=True, slots=True)
class Shown:
    """One row as people and programs get to see it."""

    event: Event
    name: str | None
    """Name of the opcode; None for what is no payload."""
    summary: str
    """One line in words, inert."""
    d: Any = ABSENT
    """The body, with its secrets masked."""
    extra: Mapping[str, Any] = field(default_factory=dict)
    close: CloseCode | None = None
    """What the tables say of a close's code."""


class Presenter:
    """Makes rows ready. `reveal` shows secrets instead of masking them."""

    def __init__(self, registry: Registry, *, reveal: bool = False) -> None:
        self.registry = registry
        self._redactor = None if reveal else Redactor(registry)

    def show(self, event: Event, rows: Rows) -> Shown:
        """Return `event` as it is to be shown; `rows` is where it came from."""
        d, extra = self._body(event, rows)
        name = self.registry.name(event.plane, event.op) if event.kind is Kind.PAYLOAD else None
        close = None
        if event.closed is not None and event.closed.code is not None:
            known = self.registry.close_code(event.plane, event.closed.code)
            close = known.sent_by(event.closed.by) if known else None
        return Shown(event, name, summarize(event, d, self.registry, rows.names), d, extra, close)

    def _body(self, event: Event, rows: Rows) -> tuple[Any, Mapping[str, Any]]:
        if event.kind is not Kind.PAYLOAD or event.payload is None or event.encoding is None:
            return ABSENT, {}
        version = rows.connection(event.connection).version if event.encoding == "binary" else None
        payload = read_payload(
            event.plane, event.encoding, event.payload, from_client=bool(event.from_client), version=version
        )
        if not isinstance(payload, Payload):
            return ABSENT, {}
        if self._redactor is None:
            return payload.d, payload.extra
        name = event.event or self.registry.name(event.plane, event.op)
        return (
            self._redactor.mask(event.plane, name, payload.d),
            self._redactor.mask(event.plane, name, payload.extra) if payload.extra else {},
        )
