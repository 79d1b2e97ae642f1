"""What is written out, what stays, and what JSON's escapes leave of a value."""

import json
import sys
import unicodedata

import pytest
from hypothesis import given
from hypothesis import strategies as st

from inspector.inert import _HAS_UNSAFE, _PERHAPS_PILED, cut, inert, inert_json, is_inert_json, short

FAMILY, HEART, RAINBOW = (
    "\U0001f468\u200d\U0001f469\U0001f3fd\u200d\U0001f467",
    "❤\ufe0f",
    "\U0001f3f3\ufe0f\u200d\U0001f308",
)
SCOTLAND = "\U0001f3f4" + "".join(chr(0xE0000 + ord(letter)) for letter in "gbsct") + "\U000e007f"
# Characters of the category Cf that are seen.
FORMAT_BUT_SEEN = {*range(0x600, 0x606), 0x6DD, 0x70F, 0x890, 0x891, 0x8E2, 0x110BD, 0x110CD, *range(0x13430, 0x13440)}


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("plain [b]text[/b] ✓ \\", "plain [b]text[/b] ✓ \\"),
        ("a\x1b[31m\x9b\x7f", r"a\x1b[31m\x9b\x7f"),
        ("\n\r\t\0", r"\n\r\t\x00"),
        ("\u202egnp\u2066\u200f\u061c", r"\u202egnp\u2066\u200f\u061c"),
        ("a\u200bb\u2060\ufeff", r"a\u200bb\u2060\ufeff"),
        ("\u2028\ud800", r"\u2028\ud800"),
        ("pass\xadword\u034f\u115f\u1160\u3164\uffa0", r"pass\xadword\u034f\u115f\u1160\u3164\uffa0"),
        ("\u180e\u17b4\u17b5\ufff9\ufffb\ufffe", r"\u180e\u17b4\u17b5\ufff9\ufffb\ufffe"),
        ("ok\U000e0041\U000e0061\U000e0100", r"ok\U000e0041\U000e0061\U000e0100"),
        ("a\ufe0f\ufe00", r"a\ufe0f\ufe00"),
        ("a\u200db", r"a\u200db"),
        ("\U0001f469\u200d", "\U0001f469" + r"\u200d"),
        ("\u0645\u06cc\u200c\u062e", "\u0645\u06cc" + r"\u200c" + "\u062e"),
        ("a" + "\u0301" * 4, "a" + "\u0301" * 4),
        ("a" + "\u0301" * 5 + "\u0e47", "a" + "\u0301" * 4 + r"\u0301\u0e47"),
        ("\u0e2a\u0e47\u0301\u0e48" + "\u20dd" * 2, "\u0e2a\u0e47\u0301\u0e48\u20dd" + r"\u20dd"),
        ("\xa0\u2003\u3000\ue000 \u4f60\u597d \u0939\u093f\u0928\u094d\u0926\u0940", None),
    ],
)
def test_text_of_the_wire_cannot_act_on_a_terminal_nor_hide(text: str, shown: str | None) -> None:
    assert inert(text) == (text if shown is None else shown)


@pytest.mark.parametrize(
    "emoji", [FAMILY, HEART, RAINBOW, SCOTLAND, "1\ufe0f\u20e3", "\u2764\ufe0e", "\U0001f44d\U0001f3fd"]
)
def test_an_emoji_stays_whole(emoji: str) -> None:
    for text in (emoji, f"a{emoji * 9}b", f"{emoji}\x1b"):
        assert inert(text) == text.replace("\x1b", r"\x1b")
        assert inert_json(text) == text.replace("\x1b", r"\u001b")


@pytest.mark.parametrize(
    "text",
    [
        # Hidden words beside emoji, in the characters that emoji are made with.
        "\U0001f3f4" + "".join(chr(0xE0000 + ord(letter)) for letter in "hidden") + "\U000e007f",
        HEART + "\ufe0f\ufe0e\ufe0f",
        "\U0001f469\u200d\u200d\U0001f469",
        FAMILY + "\u200b",
        "\U0001f600\U000e0150\U000e0151",
    ],
)
def test_nothing_hides_behind_an_emoji(text: str) -> None:
    assert "\\" in inert(text)


def test_what_unicode_says_is_invisible_is_written_out() -> None:
    """By the properties that Python knows: controls, surrogates, line ends, and formats that are not seen."""
    for code in range(sys.maxunicode + 1):
        character = chr(code)
        kind = unicodedata.category(character)
        if kind in ("Cc", "Cs", "Zl", "Zp") or (kind == "Cf" and code not in FORMAT_BUT_SEEN):
            assert inert(character) != character, hex(code)
        elif kind[0] in "LNPS" and inert(character) != character:
            assert code in (0x115F, 0x1160, 0x3164, 0xFFA0), hex(code)


@given(st.text() | st.text("a\u0301\u0e47\u200d\ufe0f\u2764\U0001f469\U0001f3fd\U0001f3f4\U000e0067\n\x1b1\u20e3"))
def test_inert_text_stays_as_it_is(text: str) -> None:
    once = inert(text)
    assert inert(once) == once
    assert once.encode("utf-8").decode() == once


@pytest.mark.parametrize("emoji", [FAMILY, RAINBOW, SCOTLAND, "1\ufe0f\u20e3"])
def test_a_cut_emoji_leaves_no_joiner(emoji: str) -> None:
    for at in range(len(emoji) + 3):
        assert inert(cut(f"ab{emoji}", at)) == cut(f"ab{emoji}", at)
        assert inert(short(f"ab{emoji}cdefg", at + 1)) == short(f"ab{emoji}cdefg", at + 1)


@pytest.mark.parametrize(
    ("text", "limit", "shown"),
    [("abc", 3, "abc"), ("abcd", 3, "ab…"), ("a\x1b", 3, "a\\…"), ("\x1b" * 99, 5, r"\x1b…"), ("", 1, "")],
)
def test_a_short_text_keeps_to_its_limit(text: str, limit: int, shown: str) -> None:
    assert short(text, limit) == shown


@given(
    st.recursive(
        st.text() | st.text("\x7f\x9b\u2028\u202e\u200d\u0301\U000e0041\U0001f469"),
        lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
        max_leaves=8,
    )
)
def test_json_keeps_its_value(value: object) -> None:
    text = json.dumps(value, ensure_ascii=False)
    escaped = inert_json(text)
    assert json.loads(escaped) == value
    # Any consumer's idea of a line end finds none.
    assert len(escaped.splitlines()) == 1
    assert inert(escaped) == escaped


def test_an_astral_character_is_a_pair_in_json() -> None:
    assert inert_json('"\U000e0041"') == r'"\udb40\udc41"'


@given(st.text(st.characters() | st.sampled_from("\u0301\u0489\U0001f3b2❤\ufe0f\u200d\x7f\ud800 a"), max_size=40))
def test_the_quick_look_for_what_is_unsafe_sees_no_less_than_the_long_one(text: str) -> None:
    written = json.dumps(text, ensure_ascii=False)
    if inert_json(written) != written or _HAS_UNSAFE.search(written) or _PERHAPS_PILED.search(written):
        assert not is_inert_json(written.encode("utf-8", "surrogatepass"))
