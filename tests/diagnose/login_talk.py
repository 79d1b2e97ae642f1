"""Conversations about logins and resumes, for the tests of the rules about them."""

from typing import Any

from inspector.model import Finding, StartLimit
from inspector.session.redact import digest
from tests.conversation import (
    HELLO,
    NOON,
    SESSION,
    TOKEN,
    Conversation,
    Payload,
    dispatch,
    identify,
    message,
)
from tests.diagnose.finding import found

RESUME_URL = "wss://gateway-eu-1.invented.example"
OTHER = "0a0b0c0d0a0b0c0d0a0b0c0d0a0b0c0d"
PRESENCE = {"op": 3, "d": {"since": None, "activities": [], "status": "idle", "afk": False}}
RECONNECT = {"op": 7, "d": None}
RESUMED = dispatch("RESUMED", {}, 4)
MINUTE = 60_000
DAY_MS = 86_400_000


def resume(seq: Any = 3, **more: Any) -> Payload:
    return {"op": 6, "d": {"token": TOKEN, "session_id": SESSION, "seq": seq, **more}}


def invalid(resumable: Any = False) -> Payload:
    return {"op": 9, "d": resumable}


def named(session: str = SESSION, url: str | None = None) -> Payload:
    """READY that names where to resume."""
    user = {"id": "1180000000000000001", "bot": True}
    return dispatch("READY", {"v": 10, "session_id": session, "user": user, "resume_gateway_url": url}, 1)


def greeted(number: int = 1, after_ms: float = 0, **more: Any) -> Conversation:
    """Connection `number`, opened so long after noon, with its Hello: two rows."""
    talk = Conversation(connection=number, at_ns=NOON + int(after_ms * 1e6), **more)
    return talk.opens().server(HELLO)


def session(*, url: str | None = None, **more: Any) -> Conversation:
    """Rows 1 to 6: open, Hello, Identify, READY, and two messages up to number 3."""
    talk = greeted(**more).client(identify()).server(named(url=url))
    return talk.server(message("one", 2)).server(message("two", 3))


def of(rule: str, *talks: Conversation, until_ms: float = 0) -> list[Finding]:
    return [finding for finding in found(*talks, until_ms=until_ms) if finding.rule == rule]


def told(before_ms: float = 3000, *, token: str | None = TOKEN, **more: int) -> StartLimit:
    """The answer to GET /gateway/bot that a bot got so long before noon."""
    numbers = {"shards": 1, "total": 1000, "remaining": 999, "reset_after_ms": DAY_MS, "max_concurrency": 1} | more
    return StartLimit(NOON - int(before_ms * 1e6), token and digest(token), **numbers)
