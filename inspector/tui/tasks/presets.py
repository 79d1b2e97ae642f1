"""Filters on a key, and how they go together with what was typed and with the connection that was chosen."""

from collections.abc import Callable
from dataclasses import dataclass

from inspector.model import Event, Kind

# What passes by the thousand and is seldom what one looks for: heartbeats and their ACKs on the gateway (1, 11, 40) and
# on voice (3, 6), presences, typing, pings.
_NOISE = (
    "not (plane == gateway and op in (1, 11, 40)) and not (plane == voice and op in (3, 6))"
    " and not event in (PRESENCE_UPDATE, TYPING_START) and kind != control"
)


@dataclass(frozen=True, slots=True)
class Preset:
    """A filter that may depend on the row under the cursor."""

    name: str
    clause: Callable[[Event | None], str | None]
    """The filter; None where the row does not have what it needs."""
    missing: str = "there is no row under the cursor"
    """Why there is no clause."""


def _event(row: Event | None) -> str | None:
    if row is None:
        return None
    if row.event is not None:
        return f"event == {quoted(row.event)}"
    if row.kind is not Kind.PAYLOAD:
        return f"kind == {row.kind.value}"
    if row.op is None:
        return None
    op = str(row.op) if isinstance(row.op, int) else _in_quotes(row.op)
    return f"plane == {row.plane.value} and op == {op}"


def quoted(text: str) -> str:
    """Return `text` as a value of the filter language."""
    if text.replace("_", "").isalnum() and text.isascii() and text.lower() != "null":
        return text
    return _in_quotes(text)


def _in_quotes(text: str) -> str:
    return '"' + text.replace("\\", "\\\\").replace('"', '\\"') + '"'


PRESETS = {
    preset.name: preset
    for preset in (
        Preset("noise", lambda row: _NOISE),
        Preset("sends", lambda row: "dir == send"),
        Preset("errors", lambda row: "finding >= error"),
        Preset("connection", lambda row: f"conn == {row.connection}" if row else None),
        Preset("event", _event),
        Preset(
            "guild", lambda row: f"guild == {row.guild_id}" if row and row.guild_id else None, "it is not about a guild"
        ),
        Preset("user", lambda row: f"user == {row.user_id}" if row and row.user_id else None, "it is not about a user"),
    )
}


class Narrowing:
    """The filter in force, by where its parts come from."""

    def __init__(self, typed: str = "") -> None:
        self.typed = typed.strip()
        """What the person wrote."""
        self.presets: dict[str, str] = {}
        """Clauses by preset, in the order in which they were chosen."""
        self.chosen: tuple[str, str] | None = None
        """The clause of the side tree, and the same in words."""

    @property
    def shown(self) -> str:
        """What is in the filter bar: all but what the side tree shows already."""
        return _joined([self.typed, *self.presets.values()])

    @property
    def text(self) -> str:
        """The whole filter."""
        return _joined([self.chosen[0] if self.chosen else "", self.typed, *self.presets.values()])

    def type(self, text: str) -> None:
        """Take what the person wrote instead of everything that was in the bar."""
        if text.strip() != self.shown:
            self.typed = text.strip()
            self.presets.clear()

    def toggle(self, preset: Preset, row: Event | None) -> str | None:
        """Switch a preset on or off. Returns why not, if it cannot be."""
        clause = preset.clause(row)
        # Chosen again on another row, it moves there; on the same, it goes.
        if preset.name in self.presets and clause in (None, self.presets[preset.name]):
            del self.presets[preset.name]
        elif clause is None:
            return preset.missing
        else:
            self.presets[preset.name] = clause
        return None

    def clear(self) -> None:
        """Let everything through."""
        self.typed = ""
        self.presets.clear()
        self.chosen = None


def _joined(clauses: list[str]) -> str:
    parts = [clause for clause in clauses if clause]
    return parts[0] if len(parts) == 1 else " and ".join(f"({part})" if " " in part else part for part in parts)
