"""What is in the columns of a row, the same on paper and screen: words, marks and numbers, without colour."""

from dataclasses import dataclass
from functools import lru_cache

from wcwidth import wcswidth, wcwidth

from inspector.analysis.cases import is_close
from inspector.inert import cut, inert
from inspector.model import Event, Kind, Mark
from inspector.report.present import Shown
from inspector.words import size

# Columns of an event's name. Those of Discord's are shorter; the wire may claim any.
LONGEST_NAME = 60


@dataclass(frozen=True, slots=True)
class Marks:
    """The marks that rows are drawn with."""

    send: str
    receive: str
    close: str
    open: str
    to: str
    more: str
    bars: str
    """Eight heights of a bar, the lowest first."""


UNICODE = Marks("▶", "◀", "✕", "●", "→", "…", "▁▂▃▄▅▆▇█")
ASCII = Marks(">", "<", "x", "*", ">", "~", "._-=+*%#")


def direction(event: Event, marks: Marks) -> tuple[str, str, str]:
    """Return a mark, a word, and what it is: ``send``, ``receive``, ``open``, ``close``, ``end`` or ``refused``.

    ``end`` is a close that is no trouble.
    """
    if event.kind is Kind.OPEN:
        refused = event.opened is not None and event.opened.refusal is not None
        return (marks.close, "refused", "refused") if refused else (marks.open, "open", "open")
    if event.kind is Kind.CLOSE:
        word = inert(event.closed.by if event.closed and event.closed.by else "close")
        return marks.close, word, "close" if is_trouble(event) else "end"
    if event.kind is Kind.GAP:
        return marks.more, "missing", "refused"
    return (marks.send, "send", "send") if event.from_client else (marks.receive, "receive", "receive")


def is_trouble(event: Event) -> bool:
    """Return whether a row is one that should not be: a close with a finding, or what could not be read or recorded."""
    if event.kind is Kind.CLOSE:
        return any(is_close(finding.rule) for finding in event.findings)
    return event.kind in (Kind.UNDECODED, Kind.GAP)


def what(shown: Shown, more: str) -> tuple[str, str]:
    """Return the number of the opcode, and the name of the event, the opcode, or what else it is."""
    event = shown.event
    if event.kind is Kind.CLOSE:
        code = event.closed.code if event.closed else None
        return "", f"close {code}" if code is not None else "close"
    if event.kind is Kind.OPEN:
        return "", event.plane.value
    if event.kind is not Kind.PAYLOAD:
        return "", _name(event.event or event.kind.value, more)
    number = str(event.op) if isinstance(event.op, int) else ""
    return number, _name(event.event, more) if event.event else clip(shown.name or "", LONGEST_NAME, more)


def _name(text: str, more: str) -> str:
    """Return a name as it is shown; nearly all came before."""
    return _name_again(text, more) if len(text) <= LONGEST_NAME else clip(inert(text), LONGEST_NAME, more)


@lru_cache(maxsize=1024)
def _name_again(text: str, more: str) -> str:
    return clip(inert(text), LONGEST_NAME, more)


def sizes(event: Event, to: str, *, both: bool) -> str:
    """Return the bytes on the wire and, if `both` and they differ, what they decode to."""
    text = size(event.wire_bytes) if event.wire_bytes else ""
    if both and event.decoded_bytes and event.decoded_bytes != event.wire_bytes:
        text += f" {to} {size(event.decoded_bytes)}"
    return text


def summary(shown: Shown) -> str:
    """Return the row in words, with what the proxy did to it."""
    if shown.event.marks and (marks := shown.event.marks & (Mark.INJECTED | Mark.DROPPED | Mark.CHANGED)):
        words = [m.name.lower() for m in Mark if m & marks and m.name]
        return f"[{', '.join(words)} by the proxy] {shown.summary}"
    return shown.summary


def clip(text: str, room: int, more: str) -> str:
    """Return `text` in at most `room` columns of a terminal, with `more` at its end where something was left out."""
    if (text.isascii() and len(text) <= room) or wcswidth(text) <= room:
        return text
    used = 0
    for at, char in enumerate(text):
        used += max(0, wcwidth(char))
        if used >= room:
            return cut(text, at) + more
    return text
