"""An event made ready to be shown: its payload read again, its secrets masked, its summary written.

Here are the two guards that keep a row from ending the program, whatever is in it: `_guarded` around what is made of an
event, `rendered` around all that makes lines, records or cells of that. A row that a bug of ours keeps from being shown
says so in its summary, and keeps its number, its time and its direction.
"""

from collections.abc import Callable, Mapping
from functools import wraps
from typing import Any, TypeVar

from msgspec import Struct

from inspector.faults import is_ours, marked, place_of
from inspector.model import ABSENT, Event, Kind, Mark, Payload, Plane
from inspector.protocol.registry import CloseCode, Registry
from inspector.report.rows import Known, Rows
from inspector.session.redact import HIDDEN, Redactor, mask_event, mask_text, mask_unknown
from inspector.session.summarize import summarize
from inspector.wire.decoder import read_payload

# Every byte but the white space that may be between payloads.
_NOTHING = bytes(byte if byte in b" \t\r\n" else ord("*") for byte in range(256))


class Shown(Struct):
    """One row as people and programs get to see it. Nobody changes one."""

    event: Event
    name: str | None
    """Name of the opcode; None for what is not a payload."""
    summary: str
    """One line in words, inert."""
    d: Any = ABSENT
    """The body, with its secrets masked."""
    extra: Mapping[str, Any] = {}
    close: CloseCode | None = None
    """What the tables say of a close's code."""
    fault: str = ""
    """The bug of ours that keeps the row from being shown: its kind and place; empty where there is none."""


T = TypeVar("T")


def rendered(shown: Shown, make: Callable[[Shown], T]) -> T:
    """Return what `make` makes of a row; where it raises, what it makes of a row that says so."""
    try:
        return make(shown)
    except Exception as error:
        if not is_ours(error):
            raise
        return make(faulty(shown.event, error))


def faulty(event: Event, error: Exception) -> Shown:
    """Return the row that stands in for one that cannot be shown because of `error`."""
    bare = Event(event.n, event.connection, event.at_ns, event.plane, event.kind, event.from_client)
    bare.first_frame, bare.last_frame, bare.wire_bytes = event.first_frame, event.last_frame, event.wire_bytes
    return Shown(bare, None, marked("this row could not be shown", error), fault=place_of(error))


def _guarded(make: Callable[["Presenter", Event, Known], Shown]) -> Callable[["Presenter", Event, Known], Shown]:
    @wraps(make)
    def made(self: "Presenter", event: Event, rows: Known) -> Shown:
        try:
            return make(self, event, rows)
        except Exception as error:
            if not is_ours(error):
                raise
            return faulty(event, error)

    return made


def _is_free_of_secrets(summary: str) -> bool:
    return HIDDEN not in summary and mask_text(summary) is summary


class Presenter:
    """Makes rows ready. `reveal` shows secrets instead of masking them."""

    def __init__(self, registry: Registry, *, reveal: bool = False) -> None:
        self.registry = registry
        self._redactor = None if reveal else Redactor(registry)

    @_guarded
    def show(self, event: Event, rows: Known) -> Shown:
        """Return `event` as it is to be shown; `rows` knows what was around it."""
        event = self._masked(event)
        d, extra = self._read(event, rows)
        name = self._name(event)
        if self._redactor is not None:
            d = self._redactor.mask(event.plane, event.event or name, d)
            extra = self._redactor.mask(event.plane, event.event or name, extra) if extra else extra
        return Shown(event, name, self._summary(event, d, rows), d, extra, self._close(event))

    @_guarded
    def line(self, event: Event, rows: Known) -> Shown:
        """Return `event` as `show` does, but without its body, which then need not be masked.

        Templates mask what they name on their own. Where the summary holds a secret all the same, or the mask of one,
        it is made again from the masked body: the table of secrets may allow less than the template.
        """
        event = self._masked(event)
        d, _ = self._read(event, rows)
        name = self._name(event)
        summary = summarize(event, d, self.registry, rows.names)
        if self._redactor is not None and not (isinstance(d, dict | list) and _is_free_of_secrets(summary)):
            summary = self._summary(event, self._redactor.mask(event.plane, event.event or name, d), rows)
        return Shown(event, name, summary, close=self._close(event))

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
