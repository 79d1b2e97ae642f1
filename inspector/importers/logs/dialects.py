"""Whose lines are read, in the order in which they are asked.

What comes first may tell more of a line. JSON comes last, and first for what is a record.
"""

from collections.abc import Mapping

from inspector.importers.logs.discordjs import DiscordJs
from inspector.importers.logs.discordpy import DiscordPy
from inspector.importers.logs.entries import Dialect
from inspector.importers.logs.eris import Eris
from inspector.importers.logs.hikari import Hikari
from inspector.importers.logs.jsonlines import JsonLines


def dialects(fields: Mapping[str, str] | None = None) -> tuple[Dialect, ...]:
    """Return them new, for one pass over a log. `fields`: what the user says of the fields of records."""
    return DiscordPy(), Hikari(), DiscordJs(), Eris(), JsonLines(fields)
