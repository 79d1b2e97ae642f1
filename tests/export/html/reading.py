"""A report as its reader gets it: its elements, its links, and the rows and payloads in it."""

import base64
import json
import zlib
from dataclasses import dataclass, field
from html.parser import HTMLParser
from typing import Any

VOID = {"br", "input", "meta"}
# What begins on a line of its own, and what has room before it.
BLOCKS = {"p", "tr", "div", "li", "h1", "h2", "h3", "h4", "title", "summary", "figcaption", "form", "nav", "svg"}
APART = {"td", "th", "dd", "span", "text", "button", "a", "code"}
COLUMNS = {"c": "connection", "b": "wire_bytes", "e": "decoded_bytes", "s": "seq", "p": "payload", "t": "summary"}
KIND = ("plane", "kind", "sort", "mark", "word", "op", "name", "meaning")


@dataclass
class Read(HTMLParser):
    """A page, taken apart."""

    data: bytes
    elements: list[tuple[str, dict[str, str | None]]] = field(default_factory=list)
    unbalanced: list[str] = field(default_factory=list)
    """Elements that were closed out of turn, or never."""
    texts: dict[str, list[str]] = field(default_factory=dict)
    """The texts of each section, by its id."""
    rows: dict[int, dict[str, Any]] = field(default_factory=dict)
    """Those that the script shows, by number."""
    payloads: dict[int, str] = field(default_factory=dict)
    """JSON by row."""
    style: str = ""
    script: str = ""

    def __post_init__(self) -> None:
        HTMLParser.__init__(self, convert_charrefs=True)
        self._open: list[str] = []
        self._section = ""
        self._kinds: list[list[str]] = []
        self.feed(self.data.decode())
        self.close()
        self.unbalanced += self._open

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        found = dict(attrs)
        self.elements.append((tag, found))
        if tag not in VOID:
            self._open.append(tag)
        if tag in BLOCKS:
            self._pieces().append("")
        elif tag in APART:
            self._say(" ")
        if tag in ("section", "header") or found.get("id") == "plain":
            self._section = found.get("id") or tag

    def handle_endtag(self, tag: str) -> None:
        if self._open[-1:] == [tag]:
            self._open.pop()
        else:
            self.unbalanced.append(f"/{tag}")

    def handle_data(self, data: str) -> None:
        within = self._open[-1] if self._open else ""
        if within == "style":
            self.style += data
        elif within == "script":
            self._take(self.elements[-1][1].get("class"), data)
        else:
            self._say(data)

    def _pieces(self) -> list[str]:
        return self.texts.setdefault(self._section, [""])

    def _say(self, text: str) -> None:
        pieces = self._pieces()
        pieces[-1] += text

    @property
    def said(self) -> dict[str, str]:
        """The text of each section, by its id."""
        return {section: "\n".join(texts) for section, texts in self.texts.items()}

    @property
    def ids(self) -> set[str]:
        """Of all elements."""
        return {found["id"] for _, found in self.elements if found.get("id")}

    @property
    def links(self) -> list[str]:
        """What its links lead to."""
        return [found["href"] or "" for tag, found in self.elements if tag == "a" and "href" in found]

    @property
    def linked(self) -> set[int]:
        """The rows that they lead to."""
        return {int(link[2:]) for link in self.links if link[:2] == "#r" and link[2:].isdigit()}

    @property
    def text(self) -> str:
        """All that can be read in it."""
        return "\n".join([*self.said.values(), *map(repr, self.rows.values()), *self.payloads.values()])

    def _take(self, sort: str | None, data: str) -> None:
        if sort == "rows":
            self._take_rows(json.loads(inflated(data)))
        elif sort == "payloads":
            for line in inflated(data).decode().split("\n"):
                row, _, text = line.partition("\t")
                self.payloads[int(row)] = text
        else:
            self.script += data

    def _take_rows(self, block: dict[str, Any]) -> None:
        self._kinds += block["k"]
        row = at = 0
        for place, (more, later) in enumerate(zip(block["n"], block["at"], strict=True)):
            row, at = row + more, at + later
            kind = dict(zip(KIND, self._kinds[block["w"][place]], strict=True))
            columns = {name: block[key][place] for key, name in COLUMNS.items()}
            findings = block["f"].get(str(place), [])
            self.rows[row] = {"n": row, "at_us": at, **kind, **columns, "findings": findings}


def inflated(text: str) -> bytes:
    """Return what is in a block."""
    return zlib.decompress(base64.b64decode(text))
