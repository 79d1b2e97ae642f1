"""What eris and oceanic.js say in their event ``debug``: how connections end.

What they send is there, too, as JSON and without the token; what they receive is in ``rawWS`` and ``packet`` (see
`jsonlines`).

Sources: ``lib/gateway/Shard.js`` of eris 0.18 (https://github.com/abalabahaha/eris), ``lib/gateway/Shard.ts`` of
oceanic.js 1.15 (https://github.com/OceanicJS/Oceanic).
"""

import re
from collections.abc import Iterator

from inspector.importers.logs.entries import Ended, Entry, Line
from inspector.importers.logs.jsonlines import SHARD

_CLOSE = re.compile(r"\b(?:Clean|Unclean) WS close: (\d{4}): ?(.{0,200})")


class Eris:
    """Reads their lines."""

    name = "eris or oceanic.js"

    def receive(self, line: Line) -> Iterator[Entry]:
        found = _CLOSE.search(line.text)
        if found is not None:
            shard = SHARD.search(line.text, 0, found.start())
            code = int(found[1])
            # A close of their own they do not tell of.
            yield Ended(shard[1] if shard else "", line.at, code, found[2].rstrip(), "server" if code != 1006 else None)
