"""Colours, ours and those in what other programs say. Anything else that would act on a terminal is made inert."""

import re

from inspector.inert import inert

# Select Graphic Rendition, ECMA-48 section 8.3.117: colours, bold and the like, and nothing that moves or hides.
_SGR = re.compile(r"(\x1b\[[0-9;:]{0,64}m)")
_RESET = "\x1b[0m"


def painted(text: str, code: str) -> str:
    """Return `text`, inert, in the colour that `code` stands for (``1``, ``31``); none: as it is."""
    text = inert(text)
    return f"\x1b[{code}m{text}{_RESET}" if code and text.strip() else text


def inert_but_colours(line: str) -> str:
    """Return a line of which only the colours still act on a terminal."""
    # Every second piece is one.
    return "".join(piece if number % 2 else inert(piece) for number, piece in enumerate(_SGR.split(line)))


def coloured(line: str) -> str:
    """Return another program's line with its colours, which end with it."""
    return inert_but_colours(line) + _RESET if _SGR.search(line) else inert(line)
