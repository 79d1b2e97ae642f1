"""Asks the rules about every row, and judges every close. Each rule is asked only about what it wants to see."""

from collections.abc import Iterable, Iterator, Sequence

from inspector.diagnose.rule import Noticed, Odd, Rule, Situation, Trigger
from inspector.diagnose.rules import RULES
from inspector.diagnose.verdicts import AROUND_NS, afterwards, amended, judge
from inspector.model import Event, Finding, Kind, Payload, Plane, Severity, Verdict
from inspector.protocol.registry import Registry
from inspector.session.said import Said, VoiceServer, VoiceState
from inspector.session.state import Connection
from inspector.session.world import World

# Rows that a finding names as evidence.
MAX_EVIDENCE = 24
# Closes after which it is not yet known what the client does.
MAX_PENDING = 256
# Time between two looks into the silence on a connection that is not silent.
LOOK_NS = 500_000_000

_Key = tuple[Plane, Kind | None, bool | None, int | str | None, str | None, int]
"""Plane, kind, side, opcode, event, and in which ways it is odd."""


class Diagnosis:
    """Follows one recording, beside the tracker whose `world` it reads."""

    def __init__(self, registry: Registry, world: World, rules: Sequence[Rule] = RULES) -> None:
        self.verdicts: dict[int, Verdict] = {}
        """Verdicts that are new or say more than before, by row. To be emptied by whoever keeps them."""
        self._registry = registry
        self._world = world
        self._rules = rules
        self._wanted: dict[_Key, tuple[Rule, ...]] = {}
        self._pending: dict[int, Verdict] = {}
        self._voice: dict[str, tuple[int, int]] = {}

    def examine(self, connection: Connection, event: Event, payload: Payload | None, said: Said | None) -> None:
        """Write into `event` what the rules notice; to be called before the state takes it in."""
        rules, odd = self._rules_for(event, 0 if payload is None else _oddities(connection, event, payload))
        since_ns = connection.examined_ns
        if event.kind is Kind.CLOSE or event.at_ns - since_ns >= LOOK_NS:
            rules = (*rules, *self._silent(connection))
            connection.examined_ns = event.at_ns
        elif not rules and said is None:
            return
        now = Situation(event, connection, self._world, self._registry, payload, said, since_ns)
        found = list(self._ask(rules, now)) if rules else []
        if event.kind is Kind.CLOSE:
            verdict, finding = judge(now)
            if finding is not None:
                found.append(finding)
            if verdict is not None:
                event.verdict = verdict
                self._remember(verdict)
                asked = connection.identify or connection.resume
                if event.plane is Plane.VOICE and asked is not None and asked.server_id is not None:
                    self._voice[asked.server_id] = event.n, event.at_ns
        else:
            self._follow_up(now)
        if odd & Odd.UNKNOWN and payload is not None:
            self._world.see(event, payload, self._registry)
        if found:
            found.sort(key=lambda each: (-each.severity, each.rule))
            event.findings = tuple(found)

    def learned(self, event: Event, said: Said | None) -> None:
        """Take in what a row tells of an earlier close; to be called after the state has taken the row in.

        Why a voice connection was closed the main gateway may say a moment later.
        """
        if not isinstance(said, VoiceState | VoiceServer) or said.server_id not in self._voice:
            return
        row, at_ns = self._voice[said.server_id]
        verdict, call = self._pending.get(row), self._world.calls.get(said.server_id)
        if verdict is None or call is None or event.at_ns - at_ns > AROUND_NS:
            del self._voice[said.server_id]
            return
        more = amended(verdict, call, at_ns)
        if more is not None:
            self._remember(more)

    def tick(self, at_ns: int) -> list[Finding]:
        """Look into the silence on all open connections: `at_ns` is now. What is noticed stands at their last rows."""
        found: list[Finding] = []
        for connection in self._world.open.values():
            if at_ns <= connection.examined_ns:
                continue
            event = Event(connection.last_row, connection.id, at_ns, connection.plane, Kind.CONTROL)
            now = Situation(event, connection, self._world, self._registry, since_ns=connection.examined_ns)
            found += self._ask(self._silent(connection), now)
            connection.examined_ns = at_ns
        return found

    def _ask(self, rules: Iterable[Rule], now: Situation) -> Iterator[Finding]:
        for rule in rules:
            for noticed in rule.check(now):
                yield finding(rule.id, rule.severity, noticed, now.event.n)

    def _rules_for(self, event: Event, odd: int) -> tuple[tuple[Rule, ...], int]:
        """Return the rules that want to see a row, and in which ways it is odd."""
        key = event.plane, event.kind, event.from_client, event.op, event.event, odd
        found = self._wanted.get(key)
        if found is not None:
            return found, odd
        op, name = event.op, event.event
        # The wire may claim any opcode and any name, so only those that are known have a key of their own.
        if op is not None and self._registry.opcode(event.plane, op, from_client=event.from_client) is None:
            op, odd = None, odd | Odd.UNKNOWN
        if name is not None and (event.plane is not Plane.GATEWAY or name not in self._registry.events):
            name, odd = None, odd | Odd.UNKNOWN
        return self._matching((event.plane, event.kind, event.from_client, op, name, odd)), odd

    def _silent(self, connection: Connection) -> tuple[Rule, ...]:
        return self._matching((connection.plane, None, None, None, None, 0))

    def _matching(self, key: _Key) -> tuple[Rule, ...]:
        found = self._wanted.get(key)
        if found is None:
            found = tuple(rule for rule in self._rules if any(_fits(trigger, key) for trigger in rule.triggers))
            self._wanted[key] = found
        return found

    def _follow_up(self, now: Situation) -> None:
        """Say of the close before this connection what its client did next, once that is known."""
        before = now.before() if now.said is not None else None
        if before is None:
            return
        verdict = self._pending.get(before[1].n)
        if verdict is None:
            return
        more = afterwards(now, verdict, *before)
        if more is not None:
            del self._pending[verdict.event]
            self.verdicts[verdict.event] = more

    def _remember(self, verdict: Verdict) -> None:
        self._pending.pop(verdict.event, None)
        self.verdicts[verdict.event] = self._pending[verdict.event] = verdict
        if len(self._pending) > MAX_PENDING:
            del self._pending[next(iter(self._pending))]
        if len(self._voice) > MAX_PENDING:
            del self._voice[next(iter(self._voice))]


def finding(rule: str, severity: Severity, noticed: Noticed, row: int) -> Finding:
    """Return what was noticed at `row` as it is kept."""
    evidence = dict.fromkeys(n for n in noticed.evidence if n is not None and n > 0 and n != row)
    rows = sorted(evidence)
    if len(rows) > MAX_EVIDENCE:
        # The beginning and the end of it say most.
        rows = rows[: MAX_EVIDENCE // 2] + rows[-MAX_EVIDENCE // 2 :]
    return Finding(rule, noticed.severity or severity, noticed.text, row, tuple(rows))


def _fits(trigger: Trigger, key: _Key) -> bool:
    plane, kind, *had, odd = key
    if trigger.kind is not kind or trigger.odd & ~odd:
        return False
    wanted = (trigger.plane, trigger.from_client, trigger.op, trigger.event)
    return all(want is None or want == has for want, has in zip(wanted, (plane, *had), strict=True))


def _oddities(connection: Connection, event: Event, payload: Payload) -> int:
    """Return in which ways a payload is odd, as bits of `Odd`, as far as that can be told without the tables."""
    odd = 0
    if event.marks:
        odd |= 1
    if payload.problems:
        odd |= 2
    if payload.extra:
        odd |= 4
    if event.seq != (connection.seq or 0) + 1 and not event.from_client:
        odd |= 8
    if connection.accepted is None:
        odd |= 16
    return odd
