"""Rules about the form of messages and URLs, and about what no table knows."""

from collections.abc import Iterator

from inspector.diagnose.rule import Noticed, Situation, dispatches, opens, payloads, rule
from inspector.diagnose.words import quoted
from inspector.inert import inert
from inspector.model import ABSENT, Knows, Plane, Severity
from inspector.session.intents import comes_anyway
from inspector.session.plan import Odd
from inspector.session.world import unknown_names
from inspector.wire.dialect import dialect_of
from inspector.words import kind_of, listed

GATEWAY, VOICE = Plane.GATEWAY, Plane.VOICE
# Versions of the gateway that are served, that are on their way out, and the highest that is no longer served.
SERVED, DEPRECATED, DISCONTINUED = (9, 10), (6, 7, 8), 5
# The lowest version of the voice gateway that is served.
LOWEST_VOICE = 4


@rule(
    "unknown-name",
    Severity.INFO,
    payloads(GATEWAY, VOICE, odd=Odd.UNKNOWN),
    remedy="If you know what it is, add a row for it to a table of your own.",
    source=("derived",),
)
def unknown_name(now: Situation) -> Iterator[Noticed]:
    """An opcode, event or envelope key is not in any table. Reported once for each, and each account."""
    assert now.payload is not None
    names = unknown_names(now.event, now.payload, now.registry)
    new = [name for name in names if now.world.is_new(name, now.connection.account)]
    if new:
        side = "The client sends" if now.event.from_client else "The server sends"
        is_told = new[0].startswith(("op ", "event ")) and now.d is not ABSENT
        fields = f" Its body has {_fields(now.d)}." if is_told else ""
        yield Noticed(f"{side} something that is in no table: {listed(inert(name) for name in new[:5])}.{fields}")


def _fields(d: object) -> str:
    if type(d) is dict:
        keys = [quoted(str(key), 30) for key in list(d)[:12]]
        return f"the keys {listed(keys)}" if keys else "no keys"
    return f"no keys: it is {kind_of(d)}"


@rule(
    "odd-payload",
    Severity.WARN,
    payloads(GATEWAY, VOICE, odd=Odd.PROBLEMS),
    remedy="Look at the payload in the Wire tab, and at the code that builds it.",
    source=("derived",),
)
def odd_payload(now: Situation) -> Iterator[Noticed]:
    """A payload could be read, but something about it is wrong."""
    assert now.payload is not None
    if now.payload.problems:
        severity = None if now.event.from_client else Severity.INFO
        if now.payload.refused:
            severity = Severity.ERROR
        yield Noticed(f"It could be read, but {inert('; '.join(now.payload.problems)[:300])}.", (), severity)


@rule(
    "compressed-twice",
    Severity.INFO,
    opens(GATEWAY, VOICE),
    remedy="Do not offer permessage-deflate if the URL asks for a compressed stream; it only costs time.",
    source=("derived",),
)
def compressed_twice(now: Situation) -> Iterator[Noticed]:
    """The WebSocket compresses messages that are already compressed."""
    opened = now.event.opened
    if opened is None:
        return
    extensions = opened.headers.get("response-sec-websocket-extensions", "")
    if "permessage-deflate" in extensions and dialect_of(opened.url).compression is not None:
        yield Noticed("permessage-deflate was negotiated for a stream that is already compressed.")


@rule(
    "version-in-url",
    Severity.WARN,
    opens(GATEWAY, VOICE),
    remedy="Put v=10 (voice: v=8) into the URL.",
    source=("official-gateway", "official-voice"),
    needs=Knows.WIRE,
)
def version_in_url(now: Situation) -> Iterator[Noticed]:
    """The URL has no version, or one that is deprecated or no longer served."""
    connection, opened = now.connection, now.event.opened
    if opened is None or opened.joined_late or opened.refusal is not None or not opened.url:
        return
    version = connection.version
    if connection.plane is VOICE:
        if version is None or version < LOWEST_VOICE:
            found = "no numeric v" if version is None else f"v={version}"
            yield Noticed(
                f"The URL has {found}; the voice gateway requires at least v={LOWEST_VOICE}.", (), Severity.ERROR
            )
    elif version is None:
        yield Noticed("The URL has no numeric v, so the server chooses a version.", (), Severity.INFO)
    elif version in DEPRECATED:
        yield Noticed(f"Version {version} of the gateway is deprecated.")
    elif version <= DISCONTINUED:
        yield Noticed(f"Version {version} of the gateway is no longer served; it closes with 4012.", (), Severity.ERROR)
    elif version not in SERVED:
        yield Noticed(f"Version {version} of the gateway is not one that gwinspect knows.", (), Severity.INFO)


@rule(
    "event-outside-intents",
    Severity.INFO,
    dispatches(odd=Odd.UNASKED),
    remedy="Nothing. The table of intents is incomplete, or the server is not Discord's.",
    source=("official-gateway",),
)
def event_outside_intents(now: Situation) -> Iterator[Noticed]:
    """An event came that needs an intent the bot did not ask for. Reported once per event and connection."""
    row = now.registry.event(now.event.event or "")
    if row is not None and not comes_anyway(now.event, now.session):
        intents = listed(row.intents, "or")
        yield Noticed(f"{row.name} comes with {intents}, and Identify asked for none of these.")
