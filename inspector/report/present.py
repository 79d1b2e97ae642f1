"""An event made ready to be shown: its payload read again, its secrets masked, its summary written."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from inspector.model import ABSENT, Event, Kind, Payload
from inspector.protocol.registry import CloseCode, Registry
from inspector.report.rows import Known
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

    def show(self, event: Event, rows: Known) -> Shown:
        """Return `event` as it is to be shown; `rows` knows what was around it."""
        d, extra = self._body(event, rows)
        name = self.registry.name(event.plane, event.op) if event.kind is Kind.PAYLOAD else None
        return Shown(event, name, summarize(event, d, self.registry, rows.names), d, extra, self._close(event))

    def line(self, event: Event, rows: Known) -> Shown:
        """Return `event` as `show` does, but without its body: for a megabyte that is three times as fast.

        Templates mask what they name by themselves; only what was typed into a text has to be looked for.
        """
        d, _ = self._read(event, rows)
        name = self.registry.name(event.plane, event.op) if event.kind is Kind.PAYLOAD else None
        if self._redactor is not None and not isinstance(d, dict | list):
            d = self._redactor.mask(event.plane, event.event or name, d)
        summary = summarize(event, d, self.registry, rows.names)
        if self._redactor is not None:
            summary = self._redactor.mask(event.plane, None, summary)
        return Shown(event, name, summary, close=self._close(event))

    def _body(self, event: Event, rows: Known) -> tuple[Any, Mapping[str, Any]]:
        d, extra = self._read(event, rows)
        if self._redactor is None or d is ABSENT:
            return d, extra
        name = event.event or self.registry.name(event.plane, event.op)
        return (
            self._redactor.mask(event.plane, name, d),
            self._redactor.mask(event.plane, name, extra) if extra else {},
        )

    def _read(self, event: Event, rows: Known) -> tuple[Any, Mapping[str, Any]]:
        """Return the body and the unknown keys of the envelope, with their secrets."""
        if event.kind is not Kind.PAYLOAD or event.payload is None or event.encoding is None:
            return ABSENT, {}
        version = rows.connection(event.connection).version if event.encoding == "binary" else None
        payload = read_payload(
            event.plane, event.encoding, event.payload, from_client=bool(event.from_client), version=version
        )
        return (payload.d, payload.extra) if isinstance(payload, Payload) else (ABSENT, {})

    def _close(self, event: Event) -> CloseCode | None:
        if event.closed is None or event.closed.code is None:
            return None
        known = self.registry.close_code(event.plane, event.closed.code)
        return known.sent_by(event.closed.by) if known else None
