"""What is changed of messages before they are stored, or noted on them after: masked secrets, and the proxy's doing."""

import sqlite3
from dataclasses import replace

from inspector.diagnose.transport import changed_by_proxy, said_of
from inspector.model import ABSENT, Closed, Frame, Happening, Mark, Opened, Payload, Plane
from inspector.protocol.registry import Registry
from inspector.session.redact import Redactor
from inspector.store import rows
from inspector.store.reader import unknown_connection
from inspector.wire.decoder import Decoder
from inspector.wire.inflate import MAX_PAYLOAD, inflate_whole


class Mask:
    """Masks the secrets in what a client sends. The server's stream is left alone: an edit would break it."""

    def __init__(self, registry: Registry) -> None:
        self._registry = registry
        self._redactor = Redactor(registry)
        self._clients: dict[int, Decoder] = {}

    def __call__(self, happening: Happening) -> Happening:
        """Return `happening` as it is to be stored."""
        match happening:
            case Frame(from_client=True):
                return self._mask_frame(happening)
            case Opened():
                if happening.refusal is None:
                    self._clients[happening.connection] = Decoder(happening.plane, happening.url)
            case Closed():
                self._clients.pop(happening.connection, None)
        return happening

    def _mask_frame(self, frame: Frame) -> Frame:
        data = self._masked(frame)
        forwarded = frame.forwarded and self._masked(replace(frame, data=frame.forwarded))
        if data == frame.data and forwarded == frame.forwarded:
            return frame
        return replace(frame, data=data, forwarded=forwarded, marks=frame.marks | Mark.REDACTED)

    def _masked(self, frame: Frame) -> bytes:
        data = frame.data
        decoder = self._clients.get(frame.connection) or Decoder(Plane.GATEWAY, "")
        if decoder.plane is Plane.MEDIA:
            return data
        what = decoder.receive(frame)[0].what
        if not isinstance(what, Payload):
            encoding = "etf" if data.startswith(b"\x83") else "json"
            return self._redactor.mask_bytes(decoder.plane, "", encoding, data, ABSENT)
        # All of the message, not only its payload: bytes that follow one may hold secrets too.
        plain = data if data.startswith(what.data) else inflate_whole(data, MAX_PAYLOAD)
        name = what.event or self._registry.name(decoder.plane, what.op)
        masked = self._redactor.mask_bytes(decoder.plane, name, what.encoding, plain, what.d)
        return data if masked == plain else masked


def amend(db: sqlite3.Connection, number: int, mark: Mark, forwarded: bytes | None, mask: Mask | None) -> None:
    """Note on the stored message `number` what the proxy did to it, and what it passed on instead.

    Nothing is done where there is no such message, as it may have been in a file that was lost.
    """
    row = db.execute(f"select {rows.FRAME_COLUMNS} from frame where id = ?", (number,)).fetchone()
    frame = rows.happening_of(row, unknown_connection(row[1])) if row is not None else None
    if not isinstance(frame, Frame):
        return
    amended: Happening = replace(frame, marks=frame.marks | mark, forwarded=forwarded)
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
