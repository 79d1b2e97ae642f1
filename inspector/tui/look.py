"""The marks that screens are drawn with: one set for terminals with Unicode, one for those without."""

import locale
import os
import sys
from dataclasses import dataclass

from inspector.report.cells import Marks

Piece = tuple[str, str]
"""A piece of a line: its text, and the name of its style."""


@dataclass(frozen=True, slots=True)
class Glyphs(Marks):
    """Every mark beyond ASCII that we draw ourselves. Text from the wire is made inert elsewhere."""

    folded: str
    unfolded: str
    mark: str
    bullet: str
    hollow: str
    vertical: str
    horizontal: str
    ascii: bool = False

    def plain(self, text: str) -> str:
        r"""Return `text` as this terminal can show it: ``\u5b57`` for what it cannot."""
        if not self.ascii or text.isascii():
            return text
        return text.translate(_LOOK_ALIKES).encode("ascii", "backslashreplace").decode()


# What our own sentences use beyond ASCII.
_LOOK_ALIKES = str.maketrans({"…": "~", "“": '"', "”": '"', "•": "*", "→": ">", "×": "x", "–": "-", "µ": "u"})


UNICODE = Glyphs("▶", "◀", "✕", "●", "→", "…", "▁▂▃▄▅▆▇█", "▸", "▾", "◆", "●", "○", "│", "─")
ASCII = Glyphs(">", "<", "x", "*", ">", "~", "._-=+*%#", "+", "-", "*", "*", "o", "|", "-", ascii=True)


def glyphs() -> Glyphs:
    """Return the marks that this terminal can show, by its locale; GWINSPECT_ASCII=1 asks for plain ones."""
    if os.environ.get("GWINSPECT_ASCII"):
        return ASCII
    encoding = (getattr(sys.__stdout__, "encoding", None) or locale.getpreferredencoding(False)).lower()
    return UNICODE if "utf" in encoding else ASCII
