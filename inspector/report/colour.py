"""Colours in what other programs say. Anything else that would act on a terminal is made inert."""

import re

from inspector.inert import inert

# Select Graphic Rendition, ECMA-48 section 8.3.117: colours, bold and the like, and nothing that moves or hides.
_SGR = re.compile(r"\x1b\[[0-9;:]{0,64}m")
_RESET = "\x1b[0m"


def coloured(line: str) -> str:
    """Return a line with its colours, which end with it."""
    if _SGR.search(line) is None:
        return inert(line)
    painted: list[str] = []
    end = 0
    for found in _SGR.finditer(line):
        painted += inert(line[end : found.start()]), found[0]
        end = found.end()
    return "".join([*painted, inert(line[end:]), _RESET])
