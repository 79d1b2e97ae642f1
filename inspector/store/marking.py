"""What is changed of messages before they are stored, or noted on them after: masked secrets, and the proxy's doing."""

import sqlite3
from dataclasses import replace

from inspector.diagnose.transport import changed_by_proxy, said_of
from inspector.model import Closed, Control, Frame, Mark, Numbered, Opened, Plane, Undecoded
from inspector.protocol.registry import Registry
from inspector.session.redact import Redactor, mask_closed, mask_opened, mask_unknown
from inspector.store import rows
from inspector.store.reader import unknown_connection
from inspector.wire.decoder import Decoder, withheld
from inspector.wire.inflate import MAX_PAYLOAD, inflate_whole


class Mask:
    """Masks the secrets in what crosses the wire. The server's compressed stream is left alone: an edit would break it.

    What cannot be read is withheld: why is stored in place of its bytes.
    """

    def __init__(self, registry: Registry) -> None:
        self._registry = registry
        self._redactor = Redactor(registry)
        self._open: dict[int, Decoder] = {}

    def __call__(self, happening: Numbered) -> Numbered:
        """Return `happening` as it is to be stored."""
        match happening:
            case Frame():
                return self._mask_frame(happening)
            case Opened():
                if happening.refusal is None:
                    self._open[happening.connection] = Decoder(
                        happening.plane, happening.url, joined_late=happening.joined_late
                    )
                return mask_opened(happening)
            case Closed():
                self._open.pop(happening.connection, None)
                return mask_closed(happening)
            case Control():
                return replace(happening, data=mask_unknown(happening.data))
        return happening

    def _mask_frame(self, frame: Frame) -> Frame:
        decoder = self._open.get(frame.connection)
        if decoder is not None and decoder.is_of_stream(frame) and not frame.forwarded:
            return frame
        is_withheld = frame.marks is not Mark.NONE and frame.marks & Mark.WITHHELD
        data = frame.data if is_withheld else self._masked(frame)
        forwarded = self._forwarded(frame)
        if isinstance(data, Undecoded):
            marks = frame.marks | Mark.REDACTED | Mark.WITHHELD
            return replace(frame, data=withheld(data, len(frame.data)), forwarded=forwarded, marks=marks)
        if (data is frame.data or data == frame.data) and forwarded == frame.forwarded:
            return frame
        return replace(frame, data=data, forwarded=forwarded, marks=frame.marks | Mark.REDACTED)

    def _forwarded(self, frame: Frame) -> bytes | None:
        if not frame.forwarded:
            return frame.forwarded
        masked = self._masked(replace(frame, data=frame.forwarded))
        return b"*" * len(frame.forwarded) if isinstance(masked, Undecoded) else masked

    def _masked(self, frame: Frame) -> bytes | Undecoded:
        """Return what is to be stored of a message; why it cannot be read where its secrets cannot be found."""
        data = frame.data
        decoder = self._open.get(frame.connection) or Decoder(Plane.GATEWAY, "", joined_late=True)
        if decoder.plane is Plane.MEDIA:
            return data
        what = decoder.read_alone(frame)
        if what is None or not data:
            return data
        if isinstance(what, Undecoded):
            return what
        plain = data if data.startswith(what.data) else inflate_whole(data, MAX_PAYLOAD)
        name = what.event or self._registry.name(decoder.plane, what.op)
        masked = self._redactor.mask_bytes(decoder.plane, name, what.encoding, what.data, {"d": what.d, **what.extra})
        if not masked.strip(b"*"):
            return Undecoded("withheld", "it contains a secret that cannot be masked on its own", 0)
        # What follows a payload belongs to none.
        rest = plain[len(what.data) :]
        masked += b"*" * len(rest) if rest.strip() else rest
        return data if masked == plain else masked


def amend(db: sqlite3.Connection, number: int, mark: Mark, forwarded: bytes | None, mask: Mask | None) -> None:
    """Note on the stored message `number` what the proxy did to it, and what it passed on instead.

    Nothing is done where there is no such message, as it may have been in a file that was lost.
    """
    row = db.execute(f"select {rows.FRAME_COLUMNS} from frame where id = ?", (number,)).fetchone()
    frame = rows.happening_of(row, unknown_connection(row[1])) if row is not None else None
    if not isinstance(frame, Frame):
        return
    amended: Numbered = replace(frame, marks=frame.marks | mark, forwarded=forwarded)
    if mask is not None:
        amended = mask(amended)
    db.execute(rows.insert("frame", rows.FRAME_COLUMNS, replace=True), rows.frame_row(number, amended))
    db.execute(
        "update event set marks = marks | ? where connection = ? and last_frame = ?",
        (int(mark), frame.connection, number),
    )
    db.execute(
        f"insert into finding ({rows.FINDING_COLUMNS}) select id, ?, ?, ?, '[]' from event"
        " where connection = ? and last_frame = ?",
        (changed_by_proxy.id, int(changed_by_proxy.severity), said_of(mark), frame.connection, number),
    )
    db.execute(
        "update event set severity = max(severity, ?) where connection = ? and last_frame = ?",
        (int(changed_by_proxy.severity), frame.connection, number),
    )
