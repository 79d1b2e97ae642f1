r"""Hostile text made harmless: all that comes from the wire or a file passes here before a person sees it.

Written out is what would act on a terminal and what no eye can see: controls, marks of direction, Unicode's line ends,
all that Unicode calls ignorable (zero-width characters, fillers, tags, variation selectors), noncharacters, lone
surrogates, and marks piled up on one letter. Spaces of any width and private-use characters show, so they stay.

Two things are invisible and stay where they do what they are for: joiners and variation selectors inside an emoji, and
the tags of the three flags that have some. Anywhere else a joiner is written out, even in the Persian and Indic words
that it belongs in: a reader of recordings has to see that two names differ which look alike.
"""

import re
from collections.abc import Callable
from functools import lru_cache
from unicodedata import category

# Default_Ignorable_Code_Point and Bidi_Control of https://www.unicode.org/reports/tr44/, and what is not text at all.
_UNSAFE = (
    "[\x00-\x1f\x7f-\x9f\xad\u034f\u061c\u115f\u1160\u17b4\u17b5\u180b-\u180f\u200b-\u200f\u2028-\u202e\u2060-\u206f"
    "\u3164\ud800-\udfff\ufdd0-\ufdef\ufe00-\ufe0f\ufeff\uffa0\ufff0-\ufffb\ufffe\uffff"
    # Ranges beyond 16 bits are slow, so that noncharacters up there are left.
    "\U0001bca0-\U0001bca3\U0001d173-\U0001d17a\U000e0000-\U000e0fff]"
)
# Symbols that are emoji, or get the look of one by a selector; and what may follow one.
_PICTURE = (
    "[\xa9\xae\u203c\u2049\u2122\u2139\u2190-\u21ff\u2300-\u23ff\u24c2\u25a0-\u27bf\u2934\u2935\u2b00-\u2bff"
    "\u3030\u303d\u3297\u3299\U0001f000-\U0001faff]"
)
_LOOK = "[\ufe0f\U0001f3fb-\U0001f3ff]?"
_ENGLAND, _SCOTLAND, _WALES = (
    "".join(chr(0xE0000 + ord(letter)) for letter in region) for region in ("gbeng", "gbsct", "gbwls")
)
# The longest that is in use has three joiners: https://www.unicode.org/reports/tr51/
_EMOJI = (
    f"{_PICTURE}{_LOOK}(?:\u200d{_PICTURE}{_LOOK}){{1,7}}|{_PICTURE}[\ufe0e\ufe0f]|[0-9#*]\ufe0f\u20e3"
    f"|\U0001f3f4(?:{_ENGLAND}|{_SCOTLAND}|{_WALES})\U000e007f"
)
# What is unsafe where the rest of an emoji is missing.
_JOINERS = "\u200d\ufe0f" + "".join(map(chr, range(0xE0020, 0xE0080)))
# Nonspacing marks that one letter may carry: https://www.unicode.org/reports/tr39/#Optional_Detection
_MOST_MARKS = 4

# Searched for first: a single class, or else each character of ordinary text would cost an attempt of every branch.
_HAS_UNSAFE = re.compile(_UNSAFE)
_UNSAFE_BUT_IN_EMOJI = re.compile(f"({_EMOJI})|{_UNSAFE}")
# No letters, digits or spaces: marks are among these, and Unicode's database says which they are.
_PERHAPS_PILED = re.compile(rf"[^\w\s\x00-\u02ff][^\w\s\x00-\u02ff]{{{_MOST_MARKS},}}")
# Printable ASCII, of which nothing is unsafe.
_SAFE_ASCII = bytes(range(0x20, 0x7F))
# Bytes of what is left without it and comes again: the marks of a row, a quotation.
_LONGEST_REST = 32
_SHORT_ESCAPES = {"\n": r"\n", "\r": r"\r", "\t": r"\t"}


def inert(text: str) -> str:
    r"""Return `text` with everything unsafe written out: ``\x1b``, ``\u202e``, ``\U000e0041``, ``\n``."""
    if text.isascii() and text.isprintable():
        return text
    return _replaced(text, _escape)


def short(text: str, limit: int, more: str = "…") -> str:
    """Return `text`, inert, in at most `limit` characters, with `more` at its end where something was left out."""
    # Cut before too: nothing is gained by escaping a megabyte.
    shown = inert(text[: limit + 1])
    return shown if len(shown) <= limit else cut(shown, limit - len(more)) + more


def cut(text: str, at: int) -> str:
    """Return inert text up to `at`, still inert: without what joined a character to the one that is cut off."""
    return text[:at].rstrip(_JOINERS)


def inert_json(text: str) -> str:
    r"""Return JSON text, in one line, with the same characters as JSON's escapes: its value does not change.

    All of them are in strings, as JSON has no place for them elsewhere; ``\U000e0041`` is ``\udb40\udc41`` here.
    """
    return text if text.isascii() and text.isprintable() else _replaced(text, _escape_in_json)


def is_inert_json(text: bytes) -> bool:
    """Return whether there is nothing in JSON text in UTF-8 that `inert_json` would escape, where that is soon told."""
    return (text.isascii() and b"\x7f" not in text) or _is_safe(text)


def _is_safe(text: bytes) -> bool:
    # Without its ASCII, of which most text is, what is left is short; and marks on one letter come no farther apart.
    rest = text.translate(None, _SAFE_ASCII)
    return _is_safe_again(rest) if len(rest) <= _LONGEST_REST else _is_safe_rest(rest)


def _is_safe_rest(rest: bytes) -> bool:
    text = rest.decode("utf-8", "surrogatepass")
    return not _HAS_UNSAFE.search(text) and not _PERHAPS_PILED.search(text)


_is_safe_again = lru_cache(maxsize=1024)(_is_safe_rest)


def _replaced(text: str, escape: Callable[[str], str]) -> str:
    if _is_safe(text.encode("utf-8", "surrogatepass")):
        return text
    if _HAS_UNSAFE.search(text):
        text = _UNSAFE_BUT_IN_EMOJI.sub(lambda found: found[1] or escape(found[0]), text)
    if _PERHAPS_PILED.search(text):
        text = _PERHAPS_PILED.sub(lambda found: _unpiled(found[0], escape), text)
    return text


def _unpiled(run: str, escape: Callable[[str], str]) -> str:
    marks = 0
    kept: list[str] = []
    for character in run:
        marks = marks + 1 if category(character) in ("Mn", "Me") else 0
        kept.append(character if marks <= _MOST_MARKS else escape(character))
    return "".join(kept)


def _escape(character: str) -> str:
    code = ord(character)
    if code < 0x100:
        return _SHORT_ESCAPES.get(character) or f"\\x{code:02x}"
    return f"\\u{code:04x}" if code < 0x10000 else f"\\U{code:08x}"


def _escape_in_json(character: str) -> str:
    units = character.encode("utf-16-be", "surrogatepass")
    return "".join(f"\\u{units[at]:02x}{units[at + 1]:02x}" for at in range(0, len(units), 2))
