"""Damaged frames through decoder, session model, rules and printing, without a file."""

from collections.abc import Iterator
from pathlib import Path
from random import Random

from inspector.importers.source import Source
from inspector.model import Happening
from inspector.protocol.registry import default
from inspector.report.jsonl import line
from inspector.report.present import Presenter
from inspector.report.rows import ImportedRows
from inspector.report.text import TextRows
from tests.fuzz import talks
from tests.fuzz.mutant import Call, Mutant


class _Told(Source):
    """Happenings that are in no file."""

    format = "happenings"

    def __init__(self, happenings: list[Happening]) -> None:
        super().__init__(Path("nowhere"))
        self._told = happenings

    @staticmethod
    def recognizes(head: bytes) -> bool:
        return False

    def _happenings(self) -> Iterator[Happening]:
        yield from self._told

    def _why_empty(self) -> str:
        return ""


def make(dice: Random) -> Mutant:
    happenings, frames = talks.damaged(talks.any_talk(dice), dice, share=0.35)
    reveal = dice.random() < 0.3

    def show(folder: Path) -> None:
        rows = ImportedRows(_Told(happenings), default())
        presenter, text = Presenter(default(), reveal=reveal), TextRows(colour=False, width=None, ascii_only=False)
        for event in rows:
            shown = presenter.show(event, rows)
            "\n".join(text.lines(shown)).encode()
            line(shown, rows.raw(event), None).decode()

    told = "\n".join(map(repr, happenings)).encode("ascii", "backslashreplace")
    return Mutant({"happenings.txt": told}, [Call("decode and show", show)], frames)
