"""What a session or connection says in the tree of sessions: one to three short lines, cut to the room there is.

Everything from the wire is made inert here, and nothing leaves a line that was not.
"""

import re
from collections.abc import Iterator, Sequence

from wcwidth import wcswidth

from inspector.analysis.overview import ConnectionView, SessionView
from inspector.inert import inert
from inspector.model import Plane
from inspector.report.cells import clip
from inspector.session.redact import is_lost
from inspector.tui.lane_colours import lane_style
from inspector.tui.look import Glyphs, Piece
from inspector.words import duration, size

TreeKey = int | tuple[Plane, str | None] | None
"""What a line stands for: a connection by its number, a session by plane and digest, None for everything."""

# Columns from which on times stand no further to the right.
FAR = 44
# Ends that are no one's trouble.
_PEACEFUL = (1000, 1001)


class SessionLines:
    """Says how a connection or a session is doing, in lines of `room` columns at most."""

    def __init__(self, glyphs: Glyphs, room: int) -> None:
        self._glyphs = glyphs
        self._room = room

    def of(self, view: SessionView | ConnectionView, line: int, now_ns: int) -> list[Piece]:
        """Return one line, from 0, with its component classes; all but the first are to be indented by two columns."""
        if isinstance(view, SessionView):
            return [*self._session(view)]
        match line:
            case 0:
                return [*self._head(view, now_ns)]
            case 1:
                return [*self._second(view, now_ns)]
        return [(self._traffic(view), "tree--quiet")]

    def _session(self, view: SessionView) -> Iterator[Piece]:
        name = session_name(view.plane, view.session, self._glyphs)
        shard = f"shard {view.shard}" if view.shard else ""
        room = self._room - 2
        yield self._fitting([_spaced(name, shard), name], room), "tree--session"

    def _head(self, view: ConnectionView, now_ns: int) -> Iterator[Piece]:
        lane = lane_style(view.id)
        mark = self._glyphs.bullet if view.live else self._glyphs.hollow if view.refusal is None else self._glyphs.close
        yield f"{mark} #{view.id} ", lane
        peaceful = view.live or view.close_code in _PEACEFUL
        phase, age = self._phase_and_age(view, now_ns)
        yield phase, (lane if view.live else "tree--quiet" if peaceful else "tree--trouble")
        yield age, "tree--quiet"

    def _phase_and_age(self, view: ConnectionView, now_ns: int) -> tuple[str, str]:
        """Return both for the first line; no age where they have not both room."""
        room = self._room - len(f"  #{view.id} ")
        phase = self._plain(view.phase)
        age = _age(view, now_ns)
        free = min(room, FAR - len(f"  #{view.id} "))
        if len(phase) + len(age) < free:
            # Blanks are behind words: where they come first, some who draw screenshots leave them out.
            return f"{phase:<{free - len(age)}}", age
        return clip(phase, room, self._glyphs.more), ""

    def _second(self, view: ConnectionView, now_ns: int) -> Iterator[Piece]:
        room = self._room - 2
        if view.refusal is not None:
            yield self._fitting([view.refusal], room), "tree--trouble"
            return
        if view.closed_ns is not None:
            by = f"{view.closed_by}: " if view.closed_by else ""
            name, reason = view.close_name, view.close_reason
            if reason.rstrip(".").casefold() == name.casefold():
                reason = ""
            quoted = f'"{reason}"' if reason else ""
            least = name or quoted or "no reason given"
            yield self._fitting([by + (_spaced(name, quoted) or least), by + least], room), "tree--plain"
            return
        left_over = "" if self._phase_and_age(view, now_ns)[1] else _age(view, now_ns)
        yield self._dialect(view, left_over), "tree--plain"

    def _traffic(self, view: ConnectionView) -> str:
        """The last line: what has passed."""
        room = self._room - 2
        if view.closed_ns is not None:
            return self._dialect(view, size(view.wire_bytes))
        amounts = (
            f"{view.events:,} rows  sent {self._volume(view.sent.wire_bytes, view.sent.decoded_bytes)}"
            f"  received {self._volume(view.received.wire_bytes, view.received.decoded_bytes)}"
        )
        if not view.round_trips:
            return self._fitting([amounts, size(view.wire_bytes)], room)
        last = view.round_trips[-1]
        said = f"RTT {duration(last)}" if last >= 1_000_000 else "RTT <1 ms"
        # The bars take the room that the words leave.
        for words in (amounts, size(view.wire_bytes)):
            bars = min(room - len(said) - len(words) - 3, len(view.round_trips))
            if bars >= min(4, len(view.round_trips)):
                return f"{said} {self._bars(view.round_trips[-bars:])}  {words}"
        return self._fitting([f"{said}  {size(view.wire_bytes)}"], room)

    def _volume(self, wire: int, decoded: int) -> str:
        return size(wire) + (f" {self._glyphs.to} {size(decoded)}" if decoded != wire else "")

    def _dialect(self, view: ConnectionView, more: str) -> str:
        """How the connection speaks, how far its sequence has come, and `more`; what matters least gives way."""
        encoding, compression = view.encoding or "", view.compression or ""
        version = "" if view.version is None else f"v{view.version}"
        shard = f"shard {view.shard}" if view.shard else ""
        seq = "" if view.seq is None else f"s {view.seq:,}"
        dave = view.dave or ""
        unread = f"{view.unread_frames:,} unread" if view.unread_frames else ""
        how = _spaced(encoding, compression, gap=" ")
        short = _spaced(encoding, compression.removesuffix("-stream"), gap=" ")
        return self._fitting(
            [
                _spaced(how, version, shard, dave, seq, unread, more, view.host),
                _spaced(how, version, shard, dave, seq, unread, more),
                _spaced(how, shard, dave, seq, unread, more),
                *((_spaced(version, dave, unread, more), _spaced(dave, unread, more)) if dave else ()),
                _spaced(how, seq, unread, more),
                _spaced(short, seq, unread, more),
                _spaced(short, unread, more),
                _spaced(short, unread),
            ],
            self._room - 2,
        )

    def _bars(self, round_trips: Sequence[int]) -> str:
        bars, most = self._glyphs.bars, max(1, *round_trips)
        return "".join(bars[min(max(trip, 0) * len(bars) // (most + 1), len(bars) - 1)] for trip in round_trips)

    def _fitting(self, variants: Sequence[str], room: int) -> str:
        """Return the first that fits, or what fits of the last."""
        for variant in variants:
            text = self._plain(variant)
            if wcswidth(text) <= room:
                return text
        return clip(text, room, self._glyphs.more)

    def _plain(self, text: str) -> str:
        return self._glyphs.plain(inert(text))


def narrowing(key: TreeKey, glyphs: Glyphs) -> tuple[str | None, str]:
    """Return the filter that lets through the rows of `key`, None for all, and the same in words, inert."""
    if key is None:
        return None, "all connections"
    if isinstance(key, int):
        return f"conn == {key}", f"connection {key}"
    plane, session = key
    words = session_name(plane, session, glyphs)
    if plane in (Plane.REMOTE_AUTH, Plane.RPC):
        return f"plane == {plane}", words
    if session is None:
        return f"plane == {plane} and session == null", words
    digest = session if re.fullmatch(r"[0-9a-f]+", session) else '"' + re.sub(r'(["\\])', r"\\\1", session) + '"'
    if plane is Plane.VOICE:
        # Voice may use the id of the main session.
        return f"plane == voice and session == {digest}", words
    if plane is Plane.MEDIA:
        return f"plane == media and session == {digest}", words
    return f"session == {digest}", words


def session_name(plane: Plane, session: str | None, glyphs: Glyphs) -> str:
    """Return what a session is called, inert: ``session 9f3a…``, ``session of row 4``, ``voice 178f…``, ``rpc``."""
    if is_lost(session):
        # Nothing of its id is known but where it was given out.
        return f"session of row {inert(str(session).lstrip('*'))}"
    if session is not None:
        return f"{'session' if plane is Plane.GATEWAY else plane} {glyphs.plain(inert(session[:4]))}{glyphs.more}"
    return plane.value if plane in (Plane.REMOTE_AUTH, Plane.RPC) else f"{plane}, no session"


def _age(view: ConnectionView, now_ns: int) -> str:
    """Return how long a connection has been open, or was."""
    if view.refusal is not None:
        return ""
    if view.closed_ns is not None:
        return duration(view.closed_ns - view.opened_ns)
    seconds = max(now_ns - view.opened_ns, 0) // 1_000_000_000
    return f"{seconds // 3600:02}:{seconds // 60 % 60:02}:{seconds % 60:02}"


def _spaced(*parts: str, gap: str = "  ") -> str:
    return gap.join(part for part in parts if part)
