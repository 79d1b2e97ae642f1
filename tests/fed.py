"""What a pipeline makes of happenings, all of it together."""

from collections.abc import Iterable

from inspector.diagnose.engine import RuleEngine
from inspector.diagnose.rule import Rule
from inspector.model import Event, Finding, Happening, Verdict
from inspector.pipeline import Outcome, Pipeline
from inspector.protocol.registry import default
from inspector.session.state import Connection
from tests.conversation import Conversation


class Fed:
    """All that a pipeline has made so far."""

    def __init__(self) -> None:
        self.rows: list[Event] = []
        self.late: list[Finding] = []
        self.verdicts: dict[int, Verdict] = {}
        """By row."""
        self.changed: dict[int, Connection] = {}
        """By number."""
        self.names: dict[int, str] = {}

    def add(self, outcome: Outcome) -> None:
        self.rows += outcome.rows
        self.late += outcome.late
        self.verdicts.update((each.event, each) for each in outcome.verdicts)
        self.changed.update((each.id, each) for each in outcome.changed)
        self.names.update(outcome.names)


def asking(*rules: Rule) -> Pipeline:
    """Return a pipeline that asks only these rules."""
    pipeline = Pipeline(default())
    engine = RuleEngine(default(), pipeline._tracker.world, rules)
    pipeline._recordings[0].rule_engine = pipeline._rule_engine = engine
    return pipeline


def fed(happenings: Iterable[Happening], pipeline: Pipeline | None = None, *, finish: bool = False) -> Fed:
    """Return what `pipeline`, or a new one, makes of `happenings`; with `finish`, and of their end."""
    pipeline, made = pipeline or Pipeline(default()), Fed()
    for happening in happenings:
        made.add(pipeline.feed(happening))
    if finish:
        made.add(pipeline.finish())
    return made


def in_order(*talks: Conversation) -> list[Happening]:
    """Return the happenings of conversations that go on at the same time, in the order of time."""
    return sorted((each for talk in talks for each in talk.happenings), key=lambda each: each.at_ns)
