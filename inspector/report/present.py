"""An event made ready to be shown: its payload read again, its secrets masked, its summary written."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from inspector.model import ABSENT, Event, Kind, Mark, Payload, Plane
from inspector.protocol.registry import CloseCode, Registry
from inspector.report.rows import Known, Rows
from inspector.session.redact import Redactor, mask_event, mask_text, mask_unknown
from inspector.session.summarize import summarize
from inspector.wire.decoder import read_payload

# Every byte but the white space that may be between payloads.
_NOTHING = bytes(byte if byte in b" \t\r\n" else ord("*") for byte in range(256))


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
        event = self._masked(event)
        d, extra = self._body(event, rows)
        return Shown(event, self._name(event), self._summary(event, d, rows), d, extra, self._close(event))

    def line(self, event: Event, rows: Known) -> Shown:
        """Return `event` as `show` does, but without its body: for a megabyte that is three times as fast.

        Templates mask what they name by themselves; only what was typed into a text has to be looked for.
        """
        event = self._masked(event)
        d, _ = self._read(event, rows)
        name = self._name(event)
        if self._redactor is not None and not isinstance(d, dict | list):
            d = self._redactor.mask(event.plane, event.event or name, d)
        return Shown(event, name, self._summary(event, d, rows), close=self._close(event))

    def raw(self, event: Event, rows: Rows) -> bytes | str:
        """Return the frames that `event` came from, joined, with their secrets masked; or a word for why they are not.

        ``unreadable``: secrets in them cannot be found. ``compressed``: they cannot be masked. ``unrecorded``: the
        recorder kept none of them, as it could not read them.
        """
        raw = rows.raw(event)
        if event.marks & Mark.WITHHELD:
            return "unrecorded"
        if self._redactor is None or not raw:
            return raw
        if event.kind is Kind.UNDECODED:
            return "unreadable"
        if event.payload is None or event.encoding is None or event.plane is Plane.MEDIA:
            return raw if event.plane is Plane.MEDIA else mask_unknown(raw)
        if not raw.startswith(event.payload):
            return "compressed"
        d, extra = self._read(event, rows)
        name = event.event or self.registry.name(event.plane, event.op)
        masked = self._redactor.mask_bytes(event.plane, name, event.encoding, event.payload, {"d": d, **extra})
        # What follows a payload belongs to none.
        return masked + raw[len(event.payload) :].translate(_NOTHING)

    def _name(self, event: Event) -> str | None:
        return self.registry.name(event.plane, event.op) if event.kind is Kind.PAYLOAD else None

    def _summary(self, event: Event, d: Any, rows: Known) -> str:
        summary = summarize(event, d, self.registry, rows.names)
        return summary if self._redactor is None else mask_text(summary)

    def _masked(self, event: Event) -> Event:
        """Return `event` with the secrets masked that are not in its payload."""
        return event if self._redactor is None else mask_event(event)

    def _body(self, event: Event, rows: Known) -> tuple[Any, Mapping[str, Any]]:
        d, extra = self._read(event, rows)
        if self._redactor is None:
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
