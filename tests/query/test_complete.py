import pytest
from hypothesis import given
from hypothesis import strategies as st

from inspector.protocol.registry import default
from inspector.query.complete import MOST, complete
from inspector.query.fields import FIELDS
from inspector.query.grammar import FilterError, parse

REGISTRY = default()


def offered(text: str, cursor: int | None = None) -> list[str]:
    return [item.text for item in complete(text, len(text) if cursor is None else cursor, REGISTRY).items]


def test_where_nothing_is_written_every_field_is_offered() -> None:
    assert {field.name for field in FIELDS} <= set(offered(""))
    assert offered("") == offered("op == 1 and ")


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("plane == ", ["gateway", "voice", "remote-auth", "rpc", "media"]),
        ("kind == ", ["open", "payload", "close", "undecoded", "control", "gap"]),
        ("dir != r", ["receive"]),
        ("encoding == ", ["json", "etf", "binary"]),
        ("mark == ", ["injected", "dropped", "changed", "redacted", "told_1000", "forbidden", "withheld"]),
        ("finding >= w", ["warn"]),
        ("op in ", ["("]),
        ("op not in ", ["("]),
        ("op not ", ["in"]),
        ("op in (1 ", [",", ")"]),
        ("op in (1) ", ["and", "or"]),
        ("dir in (send, rec", ["receive"]),
        ("heartbeat ", ["and", "or"]),
        ("op == heartbeat_ack", []),
    ],
)
def test_what_may_stand_there_is_offered(text: str, expected: list[str]) -> None:
    assert offered(text) == expected


def test_opcodes_are_offered_by_name_and_closes_by_number() -> None:
    assert offered("op == heartb")[:2] == ["heartbeat", "heartbeat_ack"]
    assert "4014" in offered("close == 401")


def test_operators_are_those_that_the_field_can_be_compared_with() -> None:
    assert offered("dir ") == ["==", "!=", "=~", "!~", "in"]
    assert "<" in offered("bytes ")
    assert "=~" not in offered("bytes ")


def test_a_word_is_replaced_as_a_whole_where_the_cursor_is_inside_it() -> None:
    text = "plane == remote-auth and op == 1"
    found = complete(text, text.index("te-auth"), REGISTRY)
    assert (text[found.start : found.end], [item.text for item in found.items]) == ("remote-auth", ["remote-auth"])


def test_every_candidate_but_a_plain_value_says_what_it_is() -> None:
    for text in ("", "op ", "op == ", "event == ", "close == ", "op in (1 ", "op == 1 "):
        assert all(item.help for item in complete(text, len(text), REGISTRY).items)


STEPS = st.lists(st.integers(0, MOST), max_size=9)


@given(STEPS)
def test_whoever_only_takes_what_is_offered_never_writes_anything_wrong(steps: list[int]) -> None:
    """What follows may still be missing, so an error at the end is none."""
    text = ""
    for step in steps:
        items = offered(text)
        if not items:
            break
        item = items[step % len(items)]
        text += item + ("" if item == "d." else " ")
        if item == "d.":
            text += "x "
        wrong = _wrong(text)
        if wrong is not None:
            ended = wrong.column >= len(text.rstrip()) or "never closed" in wrong.what
            # A name has no order, and completion does not look that far back.
            assert ended or "a name is compared with" in wrong.what, text


def _wrong(text: str) -> FilterError | None:
    try:
        parse(text, REGISTRY)
    except FilterError as error:
        return error
    return None
