"""A second, simple reading of the rows, that refutes what findings and verdicts say of them.

It knows nothing of the tracker: each statement is counted again in the list of rows. Statements that it does not know
it lets pass, so `checked` says how many it knew.
"""

import re
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from typing import Any

from inspector.model import Event, Kind, Payload, Plane
from inspector.session.redact import digest
from inspector.wire.decoder import read_payload
from inspector.words import roughly
from tests.fed import Fed

MINUTE_NS = 60_000_000_000
HEARTBEATS = {Plane.GATEWAY: (1, 40), Plane.VOICE: (3,)}
ACKS = {Plane.GATEWAY: 11, Plane.VOICE: 6}
SPAN = r"(\d+ ms|[\d.]+ s|\d+ min|\d+ h)"


class Refuted(AssertionError):
    """What the rows do not bear out."""


@dataclass
class Rows:
    """All rows of a recording, with their bodies."""

    events: list[Event]

    def __post_init__(self) -> None:
        self.by_number = {event.n: event for event in self.events}
        self.by_connection: dict[int, list[Event]] = {}
        for event in self.events:
            self.by_connection.setdefault(event.connection, []).append(event)
        self._bodies: dict[int, Any] = {}

    def d(self, event: Event) -> dict[str, Any]:
        """Return the body of a payload, as far as it is an object."""
        if event.n not in self._bodies:
            found = None
            if event.payload is not None and event.encoding is not None:
                found = read_payload(
                    event.plane, event.encoding, event.payload, from_client=bool(event.from_client), version=8
                )
            self._bodies[event.n] = found.d if isinstance(found, Payload) and type(found.d) is dict else {}
        return self._bodies[event.n]

    def before(self, row: Event, *, from_client: bool | None = None) -> list[Event]:
        """Return the payloads of the connection before a row; those of one side."""
        return [
            each
            for each in self.by_connection[row.connection]
            if each.n < row.n
            and each.kind in (Kind.PAYLOAD, Kind.UNDECODED)
            and (from_client is None or each.from_client is from_client)
        ]

    def last(self, row: Event, wanted: Callable[[Event], bool]) -> Event:
        """Return the last such payload of the connection before a row."""
        found = [each for each in self.before(row) if wanted(each)]
        if not found:
            raise Refuted("there is no such row before it")
        return found[-1]

    def beats(self, row: Event) -> list[Event]:
        return [each for each in self.before(row, from_client=True) if each.op in HEARTBEATS.get(row.plane, ())]

    def interval_ns(self, row: Event) -> int:
        hello = self.last(row, lambda each: not each.from_client and each.op in (10, 8) and each.op != 11)
        return int(self.d(hello)["heartbeat_interval"] * 1_000_000)

    def received_since(self, row: Event, since: Event) -> int:
        """Return how many payloads came from the server between two rows, ACKs left out."""
        between = [each for each in self.before(row, from_client=False) if each.n > since.n]
        return sum(each.op != ACKS[row.plane] for each in between)

    def introductions(self) -> Iterator[tuple[Event, str, Any]]:
        """Yield each Identify and Resume of the main gateway, with what tells its client."""
        for each in self.events:
            if each.plane is Plane.GATEWAY and each.from_client and each.op in (2, 6):
                d = self.d(each)
                if each.op == 2:
                    yield each, "started a new session", (_digest(d.get("token")), tuple(d.get("shard") or (0, 1)))
                else:
                    yield each, "resumed", _digest(d.get("session_id"))

    def session(self, connection: int, before: int) -> tuple[Any, Any]:
        """Return the client and the session of a connection, as far as they show before a row."""
        client = session = None
        for each in self.by_connection[connection]:
            if each.n >= before or each.plane is not Plane.GATEWAY or each.kind is not Kind.PAYLOAD:
                continue
            d = self.d(each)
            if each.from_client and each.op == 2:
                client = (_digest(d.get("token")), tuple(d.get("shard") or (0, 1)))
            elif (each.from_client and each.op == 6) or each.event == "READY":
                session = _digest(d.get("session_id"))
        return client, session

    def counted_up_to(self, row: Event) -> int:
        """Return the highest number that the session of a row had been given before it."""
        now: dict[int, Any] = {}
        counted: dict[Any, int] = {}
        for each in self.events:
            if each.n > row.n:
                break
            if each.event == "READY" or (each.from_client and each.op == 6 and each.plane is Plane.GATEWAY):
                now[each.connection] = _digest(self.d(each).get("session_id"))
            if each.n < row.n and each.seq is not None:
                session = now.get(each.connection)
                counted[session] = max(counted.get(session, 0), each.seq)
        return counted.get(now.get(row.connection), 0)


def _digest(value: Any) -> str | None:
    return digest(value) if isinstance(value, str) else None


Check = Callable[[Rows, Event, "re.Match[str]"], None]
"""Looks at a row and at what is said of it. Raises `Refuted`."""
_CHECKS: list[tuple[str, "re.Pattern[str]", Check]] = []


def says(rule: str, pattern: str) -> Callable[[Check], Check]:
    """Have statements of a rule (of all, where it is empty) looked into."""

    def made(check: Check) -> Check:
        _CHECKS.append((rule, re.compile(pattern.replace("SPAN", SPAN).replace("N", r"([\d,]+)")), check))
        return check

    return made


def checked(rows: Rows, row: Event, rule: str, text: str) -> int:
    """Look into what is said of a row, and return how many statements were looked into."""
    count = 0
    for wanted, pattern, check in _CHECKS:
        if wanted in ("", rule):
            for found in pattern.finditer(text):
                count += 1
                try:
                    check(rows, row, found)
                except Refuted as error:
                    raise Refuted(f"row {row.n}, {rule}: “{text}”: {found[0]!r} is not so: {error}") from error
    return count


def check_all(made: Fed) -> Counter[str]:
    """Look into all that was said of a recording; return how many statements of each rule were looked into."""
    rows, known = Rows(made.rows), Counter[str]()
    for event in made.rows:
        for finding in event.findings:
            if "close-" not in finding.rule:
                known[finding.rule] += checked(rows, event, finding.rule, finding.text)
    for verdict in made.verdicts.values():
        row = rows.by_number[verdict.event]
        known["verdict"] += checked(rows, row, "verdict", verdict.cause)
        if row.plane is Plane.GATEWAY:
            known["then"] += check_then(rows, row, verdict.then, verdict.then_event)
    return known


def equal(said: object, found: object) -> None:
    if said != found:
        raise Refuted(f"it says {said}, and the rows say {found}")


def number(text: str) -> int:
    return int(text.replace(",", ""))


def mixture(said: str, sends: Iterable[Event]) -> None:
    """Check ``98 × op 3 Presence Update, 4 × op 1 Heartbeat``."""
    counts = Counter(each.op for each in sends)
    for count, op in re.findall(r"(\d+) × op (\d+)", said):
        equal(int(count), counts[int(op)])


def within_a_minute(rows: Rows, row: Event) -> list[Event]:
    return [each for each in rows.before(row, from_client=True) if each.at_ns > row.at_ns - MINUTE_NS]


# What clients send.


@says("send-budget", r"^N messages within SPAN; (.*)")
def _budget(rows: Rows, row: Event, said: "re.Match[str]") -> None:
    sends = [*within_a_minute(rows, row), row]
    equal(number(said[1]), len(sends))
    equal(said[2], roughly(row.at_ns - sends[0].at_ns))
    mixture(said[3], sends)


@says("verdict", r"had sent N messages? within SPAN: (.*)")
def _sent(rows: Rows, row: Event, said: "re.Match[str]") -> None:
    sends = within_a_minute(rows, row)
    equal(number(said[1]), len(sends))
    if row.plane is Plane.GATEWAY:
        equal(said[2], roughly(row.at_ns - sends[0].at_ns))
    mixture(said[3], sends)


@says("presence-flood", r"^N changes of the presence within SPAN")
def _presences(rows: Rows, row: Event, said: "re.Match[str]") -> None:
    changes = [*(each for each in rows.before(row, from_client=True) if each.op == 3), row][-number(said[1]) :]
    equal(number(said[1]), len(changes))
    equal(said[2], roughly(row.at_ns - changes[0].at_ns))


@says("verdict", r"the client's last was op (\d+) [^,]*, SPAN before")
def _last_sent(rows: Rows, row: Event, said: "re.Match[str]") -> None:
    last = rows.before(row, from_client=True)[-1]
    equal(int(said[1]), last.op)
    equal(said[2], roughly(row.at_ns - last.at_ns))


@says("members-unanswered", r"^SPAN after the request for members, not one chunk has come")
def _no_chunk(rows: Rows, row: Event, said: "re.Match[str]") -> None:
    asked = [
        each
        for each in rows.before(row, from_client=True)
        if each.op == 8 and roughly(row.at_ns - each.at_ns) == said[1] and each.plane is Plane.GATEWAY
    ]
    if not asked:
        raise Refuted("there is no such request")
    nonce = rows.d(asked[-1]).get("nonce")
    for each in rows.before(row, from_client=False):
        if each.n > asked[-1].n and each.event == "GUILD_MEMBERS_CHUNK" and rows.d(each).get("nonce") == nonce:
            raise Refuted(f"there is one in row {each.n}")


# Heartbeats.


@says("heartbeat-late", r"came SPAN after the one before; the interval is SPAN\. (?:N messages? came|Nothing came)")
def _late(rows: Rows, row: Event, said: "re.Match[str]") -> None:
    last = rows.beats(row)[-1]
    equal(said[1], roughly(row.at_ns - last.at_ns))
    equal(said[2], roughly(rows.interval_ns(row)))
    equal(number(said[3] or "0"), rows.received_since(row, last))


@says("heartbeat-overdue", r"^No heartbeat for SPAN; the interval is SPAN\. N messages? came")
def _overdue(rows: Rows, row: Event, said: "re.Match[str]") -> None:
    last = rows.beats(row)[-1]
    equal(said[1], roughly(row.at_ns - last.at_ns))
    equal(said[2], roughly(rows.interval_ns(row)))
    equal(number(said[3]), rows.received_since(row, last))


@says("heartbeat-never-began", r"^No heartbeat came within SPAN of Hello")
def _never(rows: Rows, row: Event, said: "re.Match[str]") -> None:
    equal([], rows.beats(row))
    hello = rows.last(row, lambda each: not each.from_client and each.op in (8, 10))
    equal(said[1], roughly(row.at_ns - hello.at_ns))


@says("heartbeat-ack-missing", r"^N heartbeats? before this one got no ACK; the oldest was sent SPAN ago")
def _no_ack(rows: Rows, row: Event, said: "re.Match[str]") -> None:
    waiting: list[Event] = []
    for each in rows.before(row):
        if each.from_client and each.op in HEARTBEATS[Plane.GATEWAY]:
            waiting.append(each)
        elif not each.from_client and each.op == 11 and waiting:
            waiting.pop(0)
    equal(number(said[1]), len(waiting))
    equal(said[2], roughly(row.at_ns - waiting[0].at_ns))


@says("verdict", r"the last heartbeat was sent SPAN before(?:, and one is due every SPAN)?")
def _last_beat(rows: Rows, row: Event, said: "re.Match[str]") -> None:
    equal(said[1], roughly(row.at_ns - rows.beats(row)[-1].at_ns))
    if said[2]:
        equal(said[2], roughly(rows.interval_ns(row)))


@says("verdict", r"(?:N messages? came from the server meanwhile|Nothing came from the server meanwhile)")
def _meanwhile(rows: Rows, row: Event, said: "re.Match[str]") -> None:
    equal(number(said[1] or "0"), rows.received_since(row, rows.beats(row)[-1]))


@says("verdict", r"sent no heartbeat in the SPAN since Hello, which asked for one every SPAN")
def _none_since_hello(rows: Rows, row: Event, said: "re.Match[str]") -> None:
    equal([], rows.beats(row))
    hello = rows.last(row, lambda each: not each.from_client and each.op in (8, 10))
    equal(said[1], roughly(row.at_ns - hello.at_ns))
    equal(said[2], roughly(rows.interval_ns(row)))


@says("verdict", r"its heartbeat had had no ACK for SPAN")
def _dead(rows: Rows, row: Event, said: "re.Match[str]") -> None:
    if said[1] not in [roughly(row.at_ns - each.at_ns) for each in rows.beats(row)]:
        raise Refuted("no heartbeat was sent then")


# Numbers of events.


@says("seq-gap", r"^The numbers go from N to N: (?:N numbers are|N is) skipped")
def _gap(rows: Rows, row: Event, said: "re.Match[str]") -> None:
    first, second = number(said[1]), number(said[2])
    ready = max([each.n for each in rows.before(row, from_client=False) if each.event == "READY"], default=0)
    came = [each for each in rows.before(row, from_client=False) if each.n >= ready]
    numbers = [each.seq for each in came if each.seq is not None]
    equal([first, second], [numbers[-1], row.seq])
    equal(number(said[3]) if said[3] else number(said[4]), second - first - 1 if said[3] else first + 1)
    if second in numbers or (said[4] and number(said[4]) in numbers[numbers.index(first) :]):
        raise Refuted("that number has come")


@says("resume-lost-events", r"what follows N, and the first number that came is N: N numbers? in between")
def _lost(rows: Rows, row: Event, said: "re.Match[str]") -> None:
    resume = rows.last(row, lambda each: bool(each.from_client) and each.op == 6)
    equal(number(said[1]), rows.d(resume)["seq"])
    numbers = [each.seq for each in [*rows.before(row, from_client=False), row] if each.seq is not None]
    equal(number(said[2]), numbers[0])
    equal(number(said[3]), number(said[2]) - number(said[1]) - 1)


@says("resume-wrong-seq", r"what follows N; the server had counted up to N")
@says("resume-stale-seq", r"what follows N; up to N had been sent")
def _counted(rows: Rows, row: Event, said: "re.Match[str]") -> None:
    equal(number(said[1]), rows.d(row)["seq"])
    equal(number(said[2]), rows.counted_up_to(row))


@says("heartbeat-seq-wrong", r"the server has counted up to N")
def _claimed(rows: Rows, row: Event, said: "re.Match[str]") -> None:
    equal(number(said[1]), rows.counted_up_to(row))


# Sessions.


@says("identify-storm", r"^N Identifies with this token and shard within SPAN")
def _storm(rows: Rows, row: Event, said: "re.Match[str]") -> None:
    own = next(who for each, _, who in rows.introductions() if each.n == row.n)
    same = [each for each, how, who in rows.introductions() if how != "resumed" and who == own and each.n <= row.n]
    same = same[-number(said[1]) :]
    equal(number(said[1]), len(same))
    equal(said[2], roughly(row.at_ns - same[0].at_ns))


@says("identify-spacing", r"identifies SPAN after")
def _spacing(rows: Rows, row: Event, said: "re.Match[str]") -> None:
    own = next(who for each, _, who in rows.introductions() if each.n == row.n)
    same = [e for e, how, who in rows.introductions() if how != "resumed" and who[0] == own[0] and e.n < row.n]
    equal(said[1], roughly(row.at_ns - same[-1].at_ns))


@says("invalid-session-ignored", r"^SPAN after Invalid Session there is no Identify, no Resume and no close")
def _ignored(rows: Rows, row: Event, said: "re.Match[str]") -> None:
    refused = rows.last(row, lambda each: not each.from_client and each.op == 9)
    equal(said[1], roughly(row.at_ns - refused.at_ns))
    if any(each.n > refused.n and each.op in (2, 6) for each in rows.before(row, from_client=True)):
        raise Refuted("there is one")


@says("no-identify", r"^SPAN after Hello there is no Identify and no Resume")
def _unidentified(rows: Rows, row: Event, said: "re.Match[str]") -> None:
    equal([], [each.n for each in rows.before(row, from_client=True) if each.op in (2, 6)])


@says("login-slow", r"^No READY, RESUMED or Invalid Session came within SPAN")
def _slow(rows: Rows, row: Event, said: "re.Match[str]") -> None:
    asked = rows.last(row, lambda each: bool(each.from_client) and each.op in (2, 6))
    equal(said[1], roughly(row.at_ns - asked.at_ns))
    for each in rows.before(row, from_client=False):
        if each.n > asked.n and (each.op == 9 or each.event in ("READY", "RESUMED")):
            raise Refuted(f"it came in row {each.n}")


@says("reconnect-ignored", r"^The server asked for a reconnect; SPAN later (the client was still there|\w+ \w+ closed)")
def _stayed(rows: Rows, row: Event, said: "re.Match[str]") -> None:
    asked = rows.last(row, lambda each: not each.from_client and each.op == 7)
    equal(said[1], roughly(row.at_ns - asked.at_ns))
    equal("closed" in said[2], row.kind is Kind.CLOSE)


@says("resume-after-end", r"SPAN before the Resume, and the server refused it")
def _refused(rows: Rows, row: Event, said: "re.Match[str]") -> None:
    equal((9, False), (row.op, row.from_client))


@says("verdict", r"\(op 7\) SPAN before")
def _asked(rows: Rows, row: Event, said: "re.Match[str]") -> None:
    asked = rows.last(row, lambda each: not each.from_client and each.op == 7)
    equal(said[1], roughly(row.at_ns - asked.at_ns))


@says("verdict", r"neither op 7 nor op 9 had come")
def _unasked(rows: Rows, row: Event, said: "re.Match[str]") -> None:
    since = max([each.n for each in rows.before(row, from_client=True) if each.op in (2, 6)], default=0)
    found = [each.n for each in rows.before(row, from_client=False) if each.op in (7, 9) and each.n > since]
    equal([], found)


@says("verdict", r"No other connection in this recording got in with it")
def _never_worked(rows: Rows, row: Event, said: "re.Match[str]") -> None:
    equal([], _worked(rows, row))


@says("verdict", r"It had worked on (at least )?N earlier connections?")
def _has_worked(rows: Rows, row: Event, said: "re.Match[str]") -> None:
    found = len(_worked(rows, row))
    equal(True, number(said[2]) <= found if said[1] else number(said[2]) == found)


def _worked(rows: Rows, row: Event) -> list[int]:
    """Return the other connections on which the token of this one has worked."""
    own = rows.last(row, lambda each: bool(each.from_client) and each.op in (2, 6))
    token = _digest(rows.d(own).get("token"))
    asked: dict[int, Any] = {}
    worked: dict[int, None] = {}
    for each in rows.events:
        if each.n > row.n or each.plane is not Plane.GATEWAY or each.connection == row.connection:
            continue
        if each.from_client and each.op in (2, 6):
            asked[each.connection] = _digest(rows.d(each).get("token"))
        elif each.event in ("READY", "RESUMED") and asked.get(each.connection) == token:
            worked[each.connection] = None
    return list(worked)


# What followed a close.


def check_then(rows: Rows, row: Event, then: str, then_event: int | None) -> int:
    """Check what is said of what a client of the main gateway did after a close."""
    client, session = rows.session(row.connection, row.n)
    followed = [
        (each, how)
        for each, how, who in rows.introductions()
        if each.n > row.n
        and each.connection != row.connection
        and who is not None
        # Either its session goes on, or the client that began it here begins another.
        and ((how == "resumed" and who == session) or (how != "resumed" and who == client))
    ]
    if not then:
        # With two connections of one client at a time, the last of them has the word.
        open_then = {each.connection for each in rows.events if each.n < row.n} - {
            each.connection for each in rows.events if each.kind is Kind.CLOSE and each.n <= row.n
        }
        if followed and not open_then and client is not None and row.closed is not None:
            raise Refuted(
                f"row {row.n}: nothing is said to have followed, and the client {followed[0][1]} in row "
                f"{followed[0][0].n}"
            )
        return 1
    first = rows.by_number[then_event or 0]
    said = re.match(rf"It (resumed|started a new session)(?: {SPAN} later)?", then)
    if said is None:
        raise Refuted(f"row {row.n}: “{then}” says nothing")
    equal(said[1], "resumed" if first.op == 6 else "started a new session")
    if said[2]:
        equal(said[2], roughly(first.at_ns - row.at_ns))
    if followed and followed[0][0].n < first.n:
        raise Refuted(f"row {row.n}: “{then}” of row {first.n}, but row {followed[0][0].n} came before it")
    answer = next(
        (
            each
            for each in rows.events
            if each.connection == first.connection
            and each.n > first.n
            and (each.event in ("READY", "RESUMED") or (each.op == 9 and not each.from_client) or each.op in (2, 6))
        ),
        None,
    )
    accepted, refused = "the server accepted it" in then, "the server refused it" in then
    if first.op == 6:
        equal(accepted, answer is not None and answer.event == "RESUMED")
        equal(refused, answer is not None and answer.op == 9 and not answer.from_client)
    return 1
