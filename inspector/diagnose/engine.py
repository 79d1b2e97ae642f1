"""Asks the rules about every row, and judges every close. Each rule is asked only about what it wants to see."""

from collections.abc import Iterable, Iterator, Sequence

from inspector.diagnose.aftermath import OTHER_SHARD, afterwards, amended, answered, succeeds
from inspector.diagnose.closes_voice import NEAR_NS, server_id_of
from inspector.diagnose.rule import Noticed, Rule, Situation, Trigger, bounded
from inspector.diagnose.rules import RULES
from inspector.diagnose.verdicts import judge
from inspector.faults import is_ours, marked
from inspector.model import Event, Finding, Kind, Knows, Payload, Plane, Severity, Verdict
from inspector.protocol.registry import Registry
from inspector.session.messages import Identify, Message, Refused, Resume, VoiceServer, VoiceState
from inspector.session.plan import Odd, Plan
from inspector.session.state import LOOK_NS, Connection
from inspector.session.tracker import GONE
from inspector.session.watches import Watch
from inspector.session.world import Ending, World

# Closes of which more may still come to light.
MAX_RECENT = 256
# As numbers: a flag costs more than the question that it answers. What a source may not know:
_END, _TIMES = Knows.END.value, Knows.TIMES.value
_UNKNOWN = Odd.UNKNOWN.value

# Events without a `Message` that say more of a close.
_TELLING = ("RESUMED", *GONE)

_Key = tuple[Plane, Kind | None, bool | None, int | str | None, str | None, int]
"""Plane, kind, side, opcode, event, and in which ways it is odd."""


class RuleEngine:
    """Follows one recording, next to the tracker whose `world` it reads."""

    def __init__(self, registry: Registry, world: World, rules: Sequence[Rule] = RULES) -> None:
        self._registry = registry
        self._world = world
        self._rules = rules
        self._wanted: dict[_Key, tuple[Rule, ...]] = {}
        self._planned: dict[tuple[Plan, int], tuple[Rule, ...]] = {}
        self._recent: dict[int, Verdict] = {}
        self._unfollowed: dict[str, tuple[Rule, ...]] = {}
        self._looked_ns = 0
        self.late: list[Finding] = []
        """What `examine` noticed at rows before the one it was asked about; anyone who calls it takes it."""

    def absorb(self, other: "RuleEngine") -> None:
        """Take over from `other`, whose world this one's has absorbed."""
        recent = sorted({**self._recent, **other._recent}.items())
        self._recent = dict(recent[-MAX_RECENT:])
        self.late += other.late

    def is_quiet(self, plan: Plan, connection: Connection, at_ns: int) -> bool:
        """Return whether no rule wants to see a payload that is not odd, so that `examine` would find nothing."""
        return at_ns - connection.examined_ns < connection.look_ns and not self._rules_for(plan, 0)

    def examine(
        self,
        connection: Connection,
        event: Event,
        payload: Payload | None = None,
        said: Message | None = None,
        plan: Plan | None = None,
        odd: int = 0,
    ) -> Sequence[Verdict]:
        """Write into `event` what the rules notice; to be called before the state takes it in.

        A payload comes with its `plan`, and with what is `odd` about it. Return the verdicts on closes, this one or
        earlier ones, that are new or say more than before.
        """
        if plan is not None:
            rules = self._rules_for(plan, odd)
        elif event.kind is Kind.CLOSE and connection.lacks & _END:
            # Nothing more was recorded, which says nothing of what came.
            rules = ()
        else:
            rules = self._matching((event.plane, event.kind, event.from_client, None, None, 0))
        if event.at_ns - self._looked_ns >= LOOK_NS:
            self.late += self._look_back(event.at_ns)
        since_ns = connection.examined_ns
        if event.kind is Kind.CLOSE or event.at_ns - since_ns >= connection.look_ns:
            # Each once, though a rule may look at both.
            rules = tuple(dict.fromkeys((*rules, *self._silent(connection))))
            connection.examined_ns = event.at_ns
        elif not rules and said is None and event.event not in _TELLING:
            return ()
        now = Situation(event, connection, self._world, self._registry, payload, said, since_ns)
        found = list(self._ask(rules, now)) if rules else []
        if event.kind is Kind.CLOSE:
            event.verdict, finding = judge(now)
            if finding is not None:
                found.append(finding)
            verdicts = [] if event.verdict is None else [event.verdict]
        else:
            verdicts = list(self._follow_up(now))
        for verdict in verdicts:
            self._remember(verdict)
        if odd & _UNKNOWN and payload is not None:
            self._world.see(connection, event, payload, self._registry)
        if found:
            found.sort(key=lambda each: (-each.severity, each.rule))
            event.findings = tuple(found)
        return verdicts

    def tick(self, at_ns: int) -> list[Finding]:
        """Look into the silence on all open connections: `at_ns` is now. What is noticed is at their last rows."""
        found = self._look_back(at_ns)
        for connection in self._world.open.values():
            if at_ns <= connection.examined_ns:
                continue
            event = Event(connection.last_row, connection.id, at_ns, connection.plane, Kind.CONTROL)
            now = Situation(event, connection, self._world, self._registry, since_ns=connection.examined_ns)
            found += self._ask(self._silent(connection), now)
            connection.examined_ns = at_ns
        return found

    def _look_back(self, at_ns: int) -> list[Finding]:
        """Ask about all that should have followed on earlier rows by `at_ns`."""
        self._looked_ns = at_ns
        return [each for watch in self._world.watches.take_due(at_ns) for each in self._look_for(watch, at_ns)]

    def _look_for(self, watch: Watch, at_ns: int) -> Iterator[Finding]:
        connection = self._world.open.get(watch.connection)
        if connection is None and watch.connection in self._world.ended:
            connection, _ = self._world.ended[watch.connection]
        rules = self._unfollowed.get(watch.kind)
        if rules is None:
            rules = tuple(rule for rule in self._rules if any(each.watch == watch.kind for each in rule.triggers))
            self._unfollowed[watch.kind] = rules
        if connection is not None and not connection.lacks & _TIMES:
            event = Event(watch.n, connection.id, at_ns, connection.plane, Kind.CONTROL)
            now = Situation(event, connection, self._world, self._registry, watch=watch)
            yield from self._ask(rules, now)

    def _ask(self, rules: Iterable[Rule], now: Situation) -> Iterator[Finding]:
        for rule in rules:
            if rule.needs & now.connection.lacks:
                continue
            try:
                found = list(rule.check(now))
            except Exception as error:
                if not is_ours(error):
                    raise
                found = [Noticed(marked("This rule could not look at the row", error) + ".", (), Severity.INFO)]
            for noticed in found:
                yield finding(rule.id, rule.severity, noticed, now.event.n)

    def _rules_for(self, plan: Plan, odd: int) -> tuple[Rule, ...]:
        """Return the rules that want to see a payload."""
        found = self._planned.get((plan, odd))
        if found is None:
            found = self._matching((plan.plane, Kind.PAYLOAD, plan.from_client, plan.op, plan.event, odd))
            self._planned[plan, odd] = found
        return found

    def _silent(self, connection: Connection) -> tuple[Rule, ...]:
        if connection.lacks & _TIMES:
            return ()
        return self._matching((connection.plane, None, None, None, None, 0))

    def _matching(self, key: _Key) -> tuple[Rule, ...]:
        found = self._wanted.get(key)
        if found is None:
            found = tuple(rule for rule in self._rules if any(_fits(trigger, key) for trigger in rule.triggers))
            self._wanted[key] = found
        return found

    def _follow_up(self, now: Situation) -> Iterator[Verdict]:
        """Say more of closes that came before, once more is known: what the client did next, what it was about."""
        if now.said is None and now.event.event not in GONE:
            if now.event.event == "RESUMED":
                yield from self._answered(now, accepted=True)
            return
        if isinstance(now.said, Refused):
            yield from self._answered(now, accepted=False)
        elif isinstance(now.said, Identify | Resume):
            before = now.before() or self._refused_shard(now)
            verdict = self._recent.get(before[1].n) if before is not None else None
            if before is not None and verdict is not None and not verdict.then:
                more = afterwards(now, verdict, *before)
                if more is not None:
                    yield more
        elif now.event.event in GONE or isinstance(now.said, VoiceState | VoiceServer):
            for connection, ending in self._voice_closes(now):
                verdict = self._recent.get(ending.n)
                more = None if verdict is None else amended(now, verdict, connection, ending)
                if more is not None:
                    yield more

    def _answered(self, now: Situation, *, accepted: bool) -> Iterator[Verdict]:
        """Say more of the close that the connection's Resume followed, now that there is an answer to that."""
        resume, ended = now.connection.resume, self._world.ended.get(now.connection.previous or 0)
        if resume is None or ended is None or now.connection.accepted is not None:
            return
        verdict = self._recent.get(ended[1].n)
        if verdict is not None and verdict.then_event == resume.n == (now.connection.asked or resume).n:
            yield answered(now, verdict, accepted)

    def _refused_shard(self, now: Situation) -> tuple[Connection, Ending] | None:
        """Return the connection of a client that calls itself another shard now, as it had to."""
        if not isinstance(now.said, Identify):
            return None
        ended = reversed(self._world.ended.values())
        refused = (each for each in ended if each[1].closed.code in OTHER_SHARD and each[1].n in self._recent)
        return next((each for each in refused if succeeds(now, *each)), None)

    def _voice_closes(self, now: Situation) -> Iterator[tuple[Connection, Ending]]:
        """Yield the voice connections that have ended so lately that the main gateway may still say why."""
        for connection, ending in reversed(self._world.ended.values()):
            if now.at_ns - ending.at_ns > NEAR_NS:
                return
            if connection.plane is Plane.VOICE and server_id_of(connection) is not None:
                yield connection, ending

    def _remember(self, verdict: Verdict) -> None:
        self._recent.pop(verdict.event, None)
        self._recent[verdict.event] = verdict
        if len(self._recent) > MAX_RECENT:
            del self._recent[next(iter(self._recent))]


def finding(rule: str, severity: Severity, noticed: Noticed, row: int) -> Finding:
    """Return what was noticed at `row` as it is kept."""
    return Finding(rule, noticed.severity or severity, noticed.text, row, bounded(noticed.evidence, row))


def _fits(trigger: Trigger, key: _Key) -> bool:
    plane, kind, *had, odd = key
    if trigger.watch is not None or trigger.kind is not kind or trigger.odd & ~odd:
        return False
    wanted = (trigger.plane, trigger.from_client, trigger.op, trigger.event)
    return all(want is None or want == has for want, has in zip(wanted, (plane, *had), strict=True))
