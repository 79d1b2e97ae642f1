import re
import time

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from inspector.query import patterns
from inspector.query.patterns import matcher

ATOMS = [
    "a",
    "b",
    ".",
    "[ab]",
    "[^a]",
    r"\d",
    r"\w",
    r"\s",
    "(?:ab|b)",
    "(a|)",
    "(b*)",
    r"\b",
    "^",
    "$",
    "1",
    "_",
    r"\.",
    "ab",
    "(?:(?:a1)+b)",
]
TIMES = ["", "", "", "*", "+", "?", "{2}", "{0,2}", "{1,}", "{,2}", "*?", "|"]
EXPRESSIONS = st.lists(st.tuples(st.sampled_from(ATOMS), st.sampled_from(TIMES)).map("".join), min_size=1, max_size=6)


@given(
    st.tuples(st.sampled_from(["", "(?i)"]), EXPRESSIONS.map("".join)).map("".join), st.text("abA1 _.é", max_size=10)
)
def test_an_expression_finds_what_pythons_own_finds(expression: str, text: str) -> None:
    try:
        expected = re.compile(expression).search(text) is not None
    except re.error:
        with pytest.raises(ValueError, match="not a regular expression"):
            matcher(expression, regex=True)
    else:
        assert matcher(expression, regex=True)(text) is expected


@given(st.text("ab*?[].é", max_size=8), st.text("ab.é[]", max_size=10))
@example("?*?", "a")
@example("ab*ba", "aba")
def test_a_glob_means_what_it_says(glob: str, text: str) -> None:
    anywhere = "*" not in glob and "?" not in glob
    expression = "".join({"*": ".*", "?": "."}.get(sign, re.escape(sign)) for sign in glob)
    expected = (re.search if anywhere else re.fullmatch)(expression, text, re.IGNORECASE | re.DOTALL)
    assert matcher(glob, regex=False)(text) is (expected is not None)


@pytest.mark.parametrize(
    ("expression", "text"),
    [
        ("(a+)+b", "a" * 70_000),
        ("(a|a)*$b", "a" * 70_000),
        ("a?" * 60 + "a" * 60, "a" * 59 + "b" * 70_000),
        (".*.*.*=.*", "x" * 70_000),
        ("(x+x+)+y", "x" * 70_000),
    ],
)
def test_an_expression_that_could_take_for_ever_does_not(expression: str, text: str) -> None:
    began = time.perf_counter()
    assert not matcher(expression, regex=True)(text)
    assert time.perf_counter() - began < 1


def test_a_glob_that_could_take_for_ever_does_not() -> None:
    began = time.perf_counter()
    assert not matcher("a*a*a*a*a*a*a*a*b", regex=False)("a" * 70_000)
    assert time.perf_counter() - began < 1


@pytest.mark.parametrize(
    "expression", [r"(a)\1", "a(?=b)", "a(?!b)", "(?<=a)b", "a++", "(?P<x>a)(?P=x)", "(?s).", "(){9999}"]
)
def test_what_needs_unbounded_time_is_refused_in_a_sentence(expression: str) -> None:
    with pytest.raises(ValueError, match=r"cannot be matched|repeats too much"):
        matcher(expression, regex=True)


def test_case_counts_unless_it_is_said_that_it_does_not() -> None:
    assert not matcher("hello", regex=True)("HELLO")
    assert matcher("(?i)hello", regex=True)("HELLO")


def test_names_of_groups_are_as_good_as_none() -> None:
    assert matcher("(?P<year>20[0-9]{2})-x", regex=True)("at 2026-x")


def test_many_different_characters_do_not_fill_the_memory() -> None:
    text = "".join(map(chr, range(0x100, 0x9000)))
    assert matcher(r"\w\w\W?\w$", regex=True)(text * 2)


@pytest.mark.parametrize(
    ("expression", "needed"),
    [
        ("guild.*brown", ["guild", "brown"]),
        ("MESSAGE_(CREATE|UPDATE)", ["MESSAGE_"]),
        (r"a\.b\d(cd)+e?", ["a.b", "cd"]),
        (r"\bab^c\n", ["abc"]),
        ("a|b", []),
    ],
)
def test_a_text_without_what_every_match_has_is_not_read(expression: str, needed: list[str]) -> None:
    assert patterns._needed(patterns._Reading(expression).choice()) == needed
