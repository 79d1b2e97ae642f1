"""What Discord said of a bot's session starts (GET /gateway/bot), as far as it holds at a row and where it is low."""

from inspector.diagnose.rule import Situation
from inspector.model import StartLimit
from inspector.words import counted, roughly

# Session starts that most bots have in a day: what counts where nobody asked.
USUAL = 1000
# So few of them are left that it is worth a word: a fifth.
LOW = 5


def limit_of(now: Situation, token: str | None) -> StartLimit | None:
    """Return what the bot with this token was told last."""
    return None if token is None else now.world.start_limits.get(token)


def total_of(now: Situation, token: str | None) -> int:
    """Return how many sessions a bot may start in a day."""
    limit = limit_of(now, token)
    return USUAL if limit is None else limit.total


def max_concurrency_of(now: Situation, token: str | None) -> int | None:
    """Return how many of a bot's shards may identify within 5 seconds; None where that is not known.

    What the user says goes before what Discord said.
    """
    if now.registry.max_concurrency is not None:
        return now.registry.max_concurrency
    limit = limit_of(now, token)
    return None if limit is None else limit.max_concurrency


def left_of(now: Situation, token: str | None) -> int | None:
    """Return how many sessions a bot can still start before the row; None where that is not known."""
    return now.world.starts_left(token, now.at_ns)


def is_low(left: int, total: int) -> bool:
    """Return whether so few starts of so many are left that the bot should take care."""
    return left * LOW < total


def left_said(now: Situation, token: str | None) -> str:
    """Say how many starts were left, in a sentence; empty where that is not known."""
    limit = limit_of(now, token)
    if limit is None or left_of(now, token) is None:
        return ""
    since = sum(1 for login in now.world.logins.of(token) if login.at_ns >= limit.at_ns)
    more = f"; {counted(since, 'Identify/Identifies')} came after that" if since else ""
    when = roughly(now.at_ns - limit.at_ns)
    return f"{limit.remaining:,} of {limit.total:,} session starts were left {when} before (GET /gateway/bot){more}."


def warning_said(now: Situation, token: str | None) -> str:
    """Say the same, where it is few."""
    left = left_of(now, token)
    return left_said(now, token) if left is not None and is_low(left, total_of(now, token)) else ""


def recommended_said(now: Situation, token: str | None) -> str:
    """Say how many shards Discord recommends; empty where that is not known."""
    limit = limit_of(now, token)
    if limit is None:
        return ""
    when = roughly(now.at_ns - limit.at_ns)
    return f"{when} before, GET /gateway/bot recommended {counted(limit.shards, 'shard')}"
