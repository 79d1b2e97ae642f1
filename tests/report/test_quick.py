"""The quick ways to show a row give what the plain ones give, byte for byte."""

import random
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from msgspec import structs

from inspector.inert import inert_json
from inspector.model import Event
from inspector.protocol.registry import default
from inspector.report import jsonl
from inspector.report.present import Presenter
from inspector.report.rows import CaptureRows
from inspector.report.text import TextRows
from inspector.store.reader import Reader
from inspector.wire import jsontext
from tests.session.test_redact import PIECES

SAMPLES = sorted((Path(__file__).parents[2] / "sample_captures").glob("*.gwcap"))
# Odd values that take the place of others, or a place of their own.
ODD = [
    *(None, True, 0, -1, 10**12, 2**70, 1.5, 1e300, "", [], {}, [[]], {"id": None}, {"username": "who"}),
    *(
        "\u202e",
        "\x7f",
        "\u2028",
        "e" + "\u0301" * 9,
        {"user": {"id": "1" * 18}},
        {"token": "t" * 40},
        {"email": "a@example.org"},
        *PIECES,
    ),
]
ROUNDS = 3


def mutated(value: Any, dice: random.Random) -> Any:
    """Return `value` with a few of its parts changed for odd ones."""
    if dice.random() < 0.06:
        return dice.choice(ODD)
    if isinstance(value, dict):
        found = {key: mutated(each, dice) for key, each in value.items() if dice.random() > 0.03}
        if dice.random() < 0.05:
            found[dice.choice(["token", "session_id", "email", "content", *PIECES])] = dice.choice(ODD)
        return found
    return [mutated(each, dice) for each in value] if isinstance(value, list) else value


def rows_of(path: Path) -> Iterator[tuple[CaptureRows, Event]]:
    """Yield the rows of a capture as they are, and with their payloads changed."""
    dice = random.Random(path.name)
    reader = Reader(path)
    rows = CaptureRows(reader)
    for event in reader.all_events():
        yield rows, event
        if event.payload is None or event.encoding != "json":
            continue
        for _ in range(ROUNDS):
            text = mutated(jsontext.loads(event.payload), dice)
            yield rows, structs.replace(event, payload=jsontext.dumps(text))
    reader.close()


@pytest.mark.parametrize("reveal", [False, True])
def test_a_line_says_what_the_whole_row_says(reveal: bool) -> None:
    presenter = Presenter(default(), reveal=reveal)
    text, other = TextRows(width=160), TextRows(width=160)
    for path in SAMPLES:
        for rows, event in rows_of(path):
            line, whole = presenter.line(event, rows), presenter.show(event, rows)
            assert list(text.lines(line)) == list(other.lines(whole)), event.payload


def test_a_json_line_is_the_record_with_what_is_unsafe_escaped() -> None:
    presenter = Presenter(default())
    for path in SAMPLES:
        for rows, event in rows_of(path):
            shown = presenter.show(event, rows)
            plain = jsontext.dumps(jsonl.record(shown)).decode()
            assert jsonl.line(shown).decode() == inert_json(plain) + "\n"
            assert re.search("[\u2028\u202e\x7f]", jsonl.line(shown).decode()) is None
