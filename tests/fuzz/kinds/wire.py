"""Damaged frames through decoder, session model, rules, capture and printing, without a file of another program."""

from contextlib import closing
from pathlib import Path
from random import Random
from tempfile import TemporaryDirectory

from inspector.protocol.registry import default
from inspector.report.jsonl import line
from inspector.report.present import Presenter
from inspector.report.text import TextRows
from tests.fuzz import talks
from tests.fuzz.mutant import Call, Mutant
from tests.rows import rows_of


def make(dice: Random) -> Mutant:
    happenings, frames = talks.damaged(talks.any_talk(dice), dice, share=0.35)
    reveal = dice.random() < 0.3

    def show(folder: Path) -> None:
        presenter, text = Presenter(default(), reveal=reveal), TextRows(colour=False, width=None, ascii_only=False)
        with TemporaryDirectory(dir=folder) as own:
            rows = rows_of(happenings, Path(own, "happenings.gwcap"))
            with closing(rows.reader):
                for event in rows:
                    shown = presenter.show(event, rows)
                    "\n".join(text.lines(shown)).encode()
                    line(shown, rows.raw(event), None).decode()

    told = "\n".join(map(repr, happenings)).encode("ascii", "backslashreplace")
    return Mutant({"happenings.txt": told}, [Call("decode and show", show)], frames)
