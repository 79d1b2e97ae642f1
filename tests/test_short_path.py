"""The short way of ordinary payloads leads where the long one does: whatever a recording has in it, nothing differs."""

import json
import random
from collections.abc import Callable, Iterator, Sequence
from contextlib import closing
from dataclasses import replace
from pathlib import Path

import pytest
from msgspec import structs

from inspector.model import Frame, Happening, Mark, Payload
from inspector.pipeline import Outcome, Pipeline
from inspector.protocol.registry import default
from inspector.session.plan import Plan
from inspector.session.state import Connection
from inspector.store.reader import Reader, stored_happenings
from inspector.wire.decoder import Decoder
from tests.conversation import HELLO, Conversation, dispatch, identify, message, ready, usual
from tests.fuzz import damage

SAMPLES = sorted((Path(__file__).parents[1] / "sample_captures").glob("*.gwcap"))
USER, GUILD, OTHER_GUILD = "1180000000000000001", "1180000000000000042", str(1180000000000000042 + (1 << 22))


class LongWay(Pipeline):
    """A pipeline that takes the long way with everything."""

    def _is_ordinary(self, connection: Connection, event: object, plan: Plan, odd: int) -> bool:
        return False


class Counting(Pipeline):
    """A pipeline that counts what goes the short way."""

    short = 0

    def _is_ordinary(self, *what: object) -> bool:
        is_ordinary = super()._is_ordinary(*what)  # type: ignore[arg-type]
        self.short += is_ordinary
        return is_ordinary


def taken(pipeline: Pipeline, happenings: Sequence[Happening]) -> Iterator[object]:
    """Yield all that can be told of a pipeline, as it goes on."""
    for happening in happenings:
        yield said_by(pipeline.feed(happening))
    yield said_by(pipeline.tick(pipeline.last_at_ns + 100_000_000_000))
    yield said_by(pipeline.finish())
    world = pipeline._tracker.world
    yield world.sessions, world.calls, world.seen, world.forms._kinds, world.forms._shapes


def said_by(outcome: Outcome) -> object:
    # Connections live on, so what is known of them by now is written out.
    return structs.replace(outcome, changed=[]), [repr(connection) for connection in outcome.changed]


def differences(happenings: Sequence[Happening]) -> list[str]:
    short, long = (taken(make(default()), happenings) for make in (Pipeline, LongWay))
    return [
        f"happening {number}:\n  {one}\n  {other}"
        for number, (one, other) in enumerate(zip(short, long, strict=True), 1)
        if one != other
    ]


def bot(*, intents: int = 513, shards: int = 1) -> Conversation:
    """A bot's session in which most comes as it was asked for: intents, shard and content matter."""
    talk = Conversation().opens().server(HELLO).client(identify(intents=intents, shard=[0, shards]))
    first = ready()
    talk.server({**first, "d": {**first["d"], "user": {"id": USER, "bot": True}}})
    for seq in range(2, 40):
        if seq % 7 == 0:
            talk.server(dispatch("PRESENCE_UPDATE", {"guild_id": GUILD, "user": {"id": str(seq)}}, seq))
        said = message("" if seq < 30 or seq % 5 else f"number {seq}", seq + seq // 7)
        guild = OTHER_GUILD if seq % 11 == 0 else GUILD
        talk.server({**said, "d": {**said["d"], "guild_id": guild, "type": 0, "mentions": []}})
        if seq % 13 == 0:
            talk.waits(600)
    return talk


def in_clear(happenings: Sequence[Happening]) -> list[Happening]:
    """Return happenings with each payload of the main gateway as text by itself, so that one can be changed alone."""
    decoders: dict[int, Decoder] = {}
    clear: list[Happening] = []
    for happening in happenings:
        if not isinstance(happening, Frame):
            if hasattr(happening, "plane"):
                decoders[happening.connection] = Decoder(happening.plane, happening.url)
            clear.append(happening)
            continue
        for reading in decoders[happening.connection].receive(happening):
            what = reading.what
            if isinstance(what, Payload) and what.encoding == "json":
                clear.append(replace(happening, data=what.data, is_text=True))
            else:
                clear.append(happening)
    return clear


def flipped(frame: Frame, dice: random.Random) -> list[Frame]:
    return [replace(frame, data=damage.bytes_of(frame.data, dice))]


def split(frame: Frame, dice: random.Random) -> list[Frame]:
    at = dice.randrange(len(frame.data) + 1)
    return [replace(frame, data=frame.data[:at]), replace(frame, data=frame.data[at:])]


def dropped(frame: Frame, dice: random.Random) -> list[Frame]:
    return []


def doubled(frame: Frame, dice: random.Random) -> list[Frame]:
    return [frame, frame]


def odd(frame: Frame, dice: random.Random) -> list[Frame]:
    try:
        tree = json.loads(frame.data)
    except ValueError:
        return [frame]
    text = json.dumps(damage.structure(tree, dice)).encode("utf-8", "surrogatepass")
    return [replace(frame, data=text)]


def marked(frame: Frame, dice: random.Random) -> list[Frame]:
    return [replace(frame, marks=dice.choice([Mark.DROPPED, Mark.INJECTED, Mark.CHANGED]))]


WAYS: list[Callable[[Frame, random.Random], list[Frame]]] = [flipped, split, dropped, doubled, odd, odd, odd, marked]


def mutated(happenings: Sequence[Happening], dice: random.Random) -> list[Happening]:
    made: list[Happening] = []
    for happening in happenings:
        if isinstance(happening, Frame) and dice.random() < 0.15:
            made += dice.choice(WAYS)(happening, dice)
        else:
            made.append(happening)
    return made


def recorded(path: Path) -> list[Happening]:
    with closing(Reader(path)) as reader:
        return [happening for batch in stored_happenings(reader.db) for happening in batch]


TALKS = {
    "usual": usual().happenings,
    "a bot with all it asks for": bot().happenings,
    "a bot without content": bot(intents=512).happenings,
    "a shard of two": bot(shards=2).happenings,
    "few intents": bot(intents=1).happenings,
}


@pytest.mark.parametrize("name", [*TALKS, *(path.stem for path in SAMPLES)])
def test_the_short_way_leads_where_the_long_one_does(name: str) -> None:
    happenings = TALKS.get(name) or recorded(SAMPLES[[path.stem for path in SAMPLES].index(name)])
    assert differences(happenings) == []
    clear = in_clear(happenings)
    assert differences(clear) == []
    for seed in range(8):
        found = differences(mutated(clear if seed else happenings, random.Random(f"{name} {seed}")))
        assert found == [], seed


def test_ordinary_payloads_take_the_short_way() -> None:
    pipeline = Counting(default())
    talk = Conversation("json", "zlib-stream").opens().server(HELLO).client(identify()).server(ready())
    for seq in range(2, 102):
        talk.server(message(f"number {seq}", seq))
    for happening in talk.happenings:
        pipeline.feed(happening)
    # But for the first, whose form is new: silence is looked into each two seconds, and this takes less.
    assert pipeline.short == 99
