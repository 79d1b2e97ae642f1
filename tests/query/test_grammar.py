import pytest
from hypothesis import given
from hypothesis import strategies as st

from inspector.protocol.registry import default
from inspector.query.complete import complete
from inspector.query.fields import FIELDS
from inspector.query.grammar import FilterError, parse
from inspector.query.words import say

REGISTRY = default()

# What people write, and how it is understood.
UNDERSTOOD = {
    "": "everything",
    "op == heartbeat_ack": "opcode Heartbeat ACK",
    "not (op in (1, 11))": "not (opcode 1 or 11)",
    "dir == send && bytes > 4k": "sent, and wire bytes above 4,000",
    "event =~ MESSAGE_* or event == READY": "event like MESSAGE_* or event READY",
    "guild == 1180000000000000042": "guild 1180…42",
    "d.author.id": "there is d.author.id",
    "d.guild_id == null": "d.guild_id is null",
    "finding >= warn": "finding at least warn",
    "hello": "“hello” in the text",
    '"two words"': "“two words” in the text",
    "guild != null": "with a guild",
    "not (a or b) and c": "not (“a” in the text or “b” in the text), and “c” in the text",
    "time >= +30s": "time at least +30s",
    "d.content =~ /^a+b/": "d.content like /^a+b/",
    "event not in (READY, RESUMED)": "not (event READY or RESUMED)",
    "! dir == receive": "not received",
    "d == 3": "d is 3",
    "d.heartbeat_interval > 4k": "d.heartbeat_interval above 4000",
    "host == gateway.discord.gg": "host is gateway.discord.gg",
    "close == session_timed_out": "close code Session timed out",
    "op=heartbeat||op==11": "opcode Heartbeat or opcode 11",
    "d": "“d” in the text",
}

# What is wrong, where, and what is said of it.
WRONG = {
    "op == heartbet": (6, "there is no opcode named 'heartbet'; did you mean heartbeat?"),
    "evnt == X": (0, "there is no field 'evnt'; did you mean event?"),
    "(a": (0, "this ( is never closed"),
    "a)": (1, "this ) closes nothing; remove it, or add a ( before it"),
    "a b": (2, "'b' follows without `and` or `or`; put a text with spaces in quotes"),
    "event ==": (8, "the filter ends where a value was expected, as in event =~ MESSAGE_*"),
    "op in 3": (6, "expected ( after `in`, not '3'"),
    "op in (3 4)": (9, "expected , or ) in the list, not '4'"),
    "'x": (0, "this quote is never closed"),
    "dir < send": (4, "dir has no order; compare it with ==, != or =~"),
    "n =~ 1*": (2, "n is not text; compare it with ==, !=, < or >"),
    "dir == snd": (7, "dir is one of send, receive, not 'snd'; did you mean send?"),
    "bytes > lots": (8, "bytes is compared with a size such as 900, 4k or 1.5MB, not with 'lots'"),
    "time > noon": (7, "a time is written as 12:00:05, 2026-11-24T12:00:05 or +30s, not as 'noon'"),
    "op > heartbeat": (5, "a name is compared with == or !=; write the number to compare with >"),
    "and": (0, "expected a comparison, a path or a text, not 'and'"),
    "d.x =~ /(/": (
        7,
        "this is not a regular expression: missing ), unterminated subpattern at position 0",
    ),
    '""': (0, "there is nothing between the quotes to look for"),
    "n > -99999999999999999999": (
        4,
        "n is compared with a whole number of at most 63 bits, not with '-99999999999999999999'",
    ),
    "bytes > 99999999999999G": (
        8,
        "bytes is compared with a size such as 900, 4k or 1.5MB, not with '99999999999999G'",
    ),
    "d.size > big": (9, "> compares with a number or a size such as 4k, not with 'big'"),
    "d.size > null": (9, "null has no order; compare with == or !="),
    "close == sesion_timed_out": (
        9,
        "there is no close code named 'sesion_timed_out'; did you mean session_timed_out?",
    ),
    "finding >= bad": (11, "finding is one of info, warn, error, not 'bad'"),
    "d..x == 1": (
        0,
        "there is no field 'd..x'; a field is one of op, event, dir, plane, kind, conn, n, time, seq, bytes, decoded, "
        "encoding, compression, guild, channel, user, close, by, reason, rule, answers, latency, "
        "note, session, shard, url, host, client, "
        "mark, finding, or d.PATH",
    ),
    r"d.x =~ /(a)\1/": (7, r"\1 cannot be matched in bounded time; write it without"),
    "d.x =~ /a(?=b)/": (7, "(?= cannot be matched in bounded time; write it without"),
    "d.x =~ /(a{500}){500}/": (7, "this regular expression repeats too much; use smaller numbers"),
    "d.x =~ " + "a" * 201: (7, "a pattern has at most 200 characters"),
    "d.x =~ a*b*c*d*e*f*g*h*i*": (7, "a pattern has at most 8 stars"),
    "op in (" + ", ".join(["1"] * 501) + ")": (1505, "a list has at most 500 values"),
    "d" + ".a" * 17: (0, "a path has at most 16 steps"),
    " or ".join(["x"] * 101): (
        500,
        "it has more than 100 comparisons and texts; `in (one, two)` takes many values",
    ),
    "op == " + "9" * 50: (6, f"there is no opcode named '{'9' * 40}…'"),
    # A command line in another encoding than UTF-8; SQLite takes no such text.
    "event == 'RES\udce9'": (13, "this is not UTF-8 text; write the filter in UTF-8"),
}


@pytest.mark.parametrize("text", UNDERSTOOD)
def test_a_filter_can_be_read_back_in_words(text: str) -> None:
    assert say(parse(text, REGISTRY)) == UNDERSTOOD[text]


@pytest.mark.parametrize("text", WRONG)
def test_an_error_names_its_column_and_what_was_expected(text: str) -> None:
    with pytest.raises(FilterError) as caught:
        parse(text, REGISTRY)
    assert (caught.value.column, caught.value.what) == WRONG[text]


def test_an_error_points_at_its_place() -> None:
    with pytest.raises(FilterError) as caught:
        parse("dir == send and evnt == X", REGISTRY)
    assert caught.value.shown == "dir == send and evnt == X\n                ^^^^"


@pytest.mark.parametrize("field", FIELDS, ids=lambda field: field.name)
def test_the_example_of_every_field_is_a_filter_of_that_field(field) -> None:
    assert parse(field.example, REGISTRY).field is field


def test_the_mark_stands_under_what_is_wrong_however_wide_or_hostile_the_text_before_it_is() -> None:
    with pytest.raises(FilterError) as caught:
        parse("'日本\x1b' and evnt == X", REGISTRY)
    assert caught.value.caret() == "'日本\\x1b' and evnt == X\n" + " " * 15 + "^^^^"


def test_a_long_filter_and_a_deep_one_are_refused() -> None:
    for text in ("a" * 5000, "(" * 60 + "a" + ")" * 60, "not " * 60 + "a"):
        with pytest.raises(FilterError):
            parse(text, REGISTRY)


PIECES = st.lists(
    st.sampled_from(
        [
            "op",
            "event",
            "d.a.b",
            "==",
            "!=",
            "=~",
            "<",
            "in",
            "not",
            "and",
            "or",
            "(",
            ")",
            ",",
            "1",
            "heartbeat",
            '"x"',
            "/a/",
        ]
    )
    | st.text(max_size=4),
    max_size=12,
).map(" ".join)


@given(PIECES | st.text(max_size=40))
def test_any_text_is_understood_or_wrong_at_a_place_within_it(text: str) -> None:
    try:
        said = say(parse(text, REGISTRY))
    except FilterError as wrong:
        error = wrong
    else:
        assert said
        return
    assert 0 <= error.column <= len(text)
    assert error.what


@given(PIECES | st.text(max_size=40), st.integers(0, 40))
def test_completion_never_fails_and_replaces_what_is_around_the_cursor(text: str, cursor: int) -> None:
    cursor = min(cursor, len(text))
    found = complete(text, cursor, REGISTRY)
    assert 0 <= found.start <= cursor <= found.end <= len(text)
    assert len(found.items) <= 50


@pytest.mark.parametrize(
    ("text", "first"),
    [
        ("", "op"),
        ("ev", "event"),
        ("op ", "=="),
        ("op == hea", "heartbeat"),
        ("event == MESS", "MESSAGE_CREATE"),
        ("dir ==", "send"),
        ("op in (", "dispatch"),
        ("op == 1 ", "and"),
        ("plane == voice and c", "conn"),
    ],
)
def test_the_first_candidate_is_what_one_would_write(text: str, first: str) -> None:
    assert complete(text, len(text), REGISTRY).items[0].text == first
