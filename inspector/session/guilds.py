"""The guilds of a bot's session that are to come, or to come back. Bounded, whatever READY lists."""

from dataclasses import dataclass, field

from inspector.session.messages import At

# Guilds of one connection that are remembered as unavailable; a shard may have 2500.
MAX_GUILDS = 5000


@dataclass(slots=True)
class Guilds:
    """What is known of them on one connection."""

    ready: At
    """READY."""
    newest: At
    """READY, or the newest GUILD_CREATE of those that were awaited."""
    listed: int
    """How many READY listed as unavailable."""
    awaited: dict[int, None]
    """Ids of those that have not come, in order."""
    unavailable: dict[int, At] = field(default_factory=dict)
    """Ids of those that became unavailable later, and when; the newest last."""

    @classmethod
    def of(cls, ready: At, listed: tuple[int, ...]) -> "Guilds":
        """Return what READY says."""
        return cls(ready, ready, len(listed), dict.fromkeys(listed))

    def came(self, guild: int, at: At) -> None:
        """Take in GUILD_CREATE."""
        if guild in self.awaited:
            del self.awaited[guild]
            self.newest = at
        self.unavailable.pop(guild, None)

    def went(self, guild: int, at: At, *, unavailable: bool) -> None:
        """Take in GUILD_DELETE."""
        if not unavailable:
            self.awaited.pop(guild, None)
            self.unavailable.pop(guild, None)
        elif guild not in self.awaited and len(self.unavailable) < MAX_GUILDS:
            self.unavailable.setdefault(guild, at)
