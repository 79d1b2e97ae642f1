import dataclasses
import sys
import unicodedata
from types import SimpleNamespace

import pytest
from hypothesis import given
from hypothesis import strategies as st
from rich.cells import cell_len

from inspector.tui.look import ASCII, UNICODE, Glyphs, glyphs

MARKS = [field.name for field in dataclasses.fields(Glyphs) if field.name != "ascii"]


@pytest.mark.parametrize("name", MARKS)
def test_every_mark_has_a_plain_one_as_wide(name: str) -> None:
    fine, plain = getattr(UNICODE, name), getattr(ASCII, name)
    assert plain.isascii()
    assert plain.isprintable()
    assert cell_len(plain) == len(plain) == cell_len(fine) == len(fine)


@pytest.mark.parametrize("marks", [UNICODE, ASCII])
def test_bars_have_eight_heights_that_differ(marks: Glyphs) -> None:
    assert len(set(marks.bars)) == 8


@pytest.mark.parametrize("marks", [UNICODE, ASCII])
def test_marks_that_stand_for_opposites_differ(marks: Glyphs) -> None:
    assert marks.send != marks.receive
    assert marks.folded != marks.unfolded
    assert marks.open != marks.hollow


def test_no_mark_is_drawn_twice_as_wide_by_some_terminals() -> None:
    """An emoji has two columns on some and one on others."""
    assert all(unicodedata.east_asian_width(letter) not in "WF" for name in MARKS for letter in getattr(UNICODE, name))


@pytest.mark.parametrize(
    ("encoding", "expected"), [("utf-8", UNICODE), ("UTF-8", UNICODE), ("ascii", ASCII), ("iso8859-1", ASCII)]
)
def test_the_locale_says_what_can_be_shown(encoding: str, expected: Glyphs, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("GWINSPECT_ASCII", raising=False)
    monkeypatch.setattr(sys, "__stdout__", SimpleNamespace(encoding=encoding))
    assert glyphs() is expected


@pytest.mark.parametrize(("preferred", "expected"), [("UTF-8", UNICODE), ("ANSI_X3.4-1968", ASCII)])
def test_without_a_terminal_the_locale_alone_says_it(
    preferred: str, expected: Glyphs, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("GWINSPECT_ASCII", raising=False)
    monkeypatch.setattr(sys, "__stdout__", None)
    monkeypatch.setattr("locale.getpreferredencoding", lambda do_setlocale=True: preferred)
    assert glyphs() is expected


def test_plain_marks_can_be_asked_for(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("GWINSPECT_ASCII", "1")
    monkeypatch.setattr(sys, "__stdout__", SimpleNamespace(encoding="utf-8"))
    assert glyphs() is ASCII


@given(st.text())
def test_plain_text_is_ascii(text: str) -> None:
    plain = ASCII.plain(text)
    assert plain.isascii()
    assert plain == text or not text.isascii()


@given(st.text())
def test_a_terminal_with_unicode_is_given_the_text_as_it_is(text: str) -> None:
    assert UNICODE.plain(text) == text


@pytest.mark.parametrize(
    ("text", "plain"),
    [("a → b…", "a > b~"), ("••••", "****"), ("2 × 3 µs", "2 x 3 us"), ("字", "\\u5b57"), ("ø", "\\xf8")],
)
def test_what_our_sentences_use_has_a_look_alike_and_the_rest_is_written_out(text: str, plain: str) -> None:
    assert ASCII.plain(text) == plain
