"""The hunt for faults itself: a mutant is the same each time, and nothing that must not be goes unseen."""

import subprocess
import sys
from contextlib import suppress
from pathlib import Path

import pytest

from inspector.errors import CaptureError
from inspector.importers.formats import IMPORTERS, open_source
from tests.fuzz import misdeeds
from tests.fuzz.acceptance import faults_of
from tests.fuzz.hunt import Found, hunt, lines_of
from tests.fuzz.kinds import KINDS
from tests.fuzz.mutant import ByDice, Command
from tests.fuzz.shell import Outcome

KIND = "tests.fuzz.misdeeds"
# With these each misdeed is among the mutants, and those that take long are there once.
BAD, COUNT = ByDice((KIND,), 63), 12
SHOW = Command(("show", "bot.gwcap"))


@pytest.mark.parametrize("kind", KINDS)
def test_a_mutant_is_the_same_each_time(kind: str) -> None:
    first, again, other = (ByDice((kind,), 7).make(number) for number in (3, 3, 4))
    assert [first.files, list(map(str, first.steps))] == [again.files, list(map(str, again.steps))]
    assert [first.files, list(map(str, first.steps))] != [other.files, list(map(str, other.steps))]


@pytest.mark.parametrize("kind", KINDS)
def test_a_mutant_has_steps(kind: str) -> None:
    assert all(ByDice((kind,), 1).make(number).steps for number in range(10))


def test_every_importer_has_a_kind(tmp_path: Path) -> None:
    """Of each format some mutants at least are known for what they are."""
    found = set()
    for kind in KINDS:
        for number in range(12):
            for name, data in ByDice((kind,), 1).make(number).files.items():
                path = tmp_path / kind / str(number) / name
                path.parent.mkdir(parents=True, exist_ok=True)
                path.write_bytes(data)
                for place in (path, path.parent):
                    with suppress(CaptureError):
                        found.add(type(open_source(place)))
    assert [importer.__name__ for importer in IMPORTERS if importer not in found] == []


def test_workers_that_share_the_numbers_get_all_kinds() -> None:
    source = ByDice(KINDS, 1)
    for workers in (1, 2, 3, 4, 9):
        for first in range(workers):
            numbers = range(first, 1000, workers)
            assert {source.kind(number) for number in numbers} == set(KINDS)


def test_a_mutant_among_others_is_the_one_that_is_had_again() -> None:
    source = ByDice(KINDS, 5)
    kind, number = source.kind(31), 31 // len(KINDS)
    assert source.again(31) == f"python -m tests.fuzz --kind {kind} --seed 5 --number {number}"
    assert source.make(31).files == ByDice((kind,), 5).make(number).files


@pytest.fixture(scope="module")
def found() -> Found:
    """What a hunt finds where every mutant does something that it must not, but for those that do nothing."""
    return hunt(BAD, count=COUNT, seconds=600, workers=2, computing=1, waiting=5)[KIND]


def test_every_misdeed_is_seen(found: Found) -> None:
    assert found.mutants == COUNT
    seen = {fault.step: what for (what, _), cases in found.faults.items() for _, fault in cases}
    assert seen == {
        "raise_error": "KeyError",
        "compute": "hang",
        "wait": "hang",
        "take_memory": "MemoryError",
        "die": "killed by SIGSEGV",
        "leave_file": "file left",
        "leave_temporary": "file left",
        "change_file": "file changed",
        "open_file": "open to others",
    }


def test_a_mutant_that_does_nothing_wrong_is_none(found: Found) -> None:
    innocent = [number for number in range(COUNT) if str(BAD.make(number).steps[0]) == "nothing"]
    assert innocent
    assert found.outcomes["as documented"] == len(innocent)
    assert found.outcomes["fault"] == COUNT - len(innocent)


def test_each_fault_is_told_with_the_way_to_it(found: Found) -> None:
    text = "\n".join(lines_of(found, BAD, 1))
    numbers = sorted(number for number, _ in found.faults["KeyError", "outside of inspector/"])
    assert f"FAULT KeyError at outside of inspector/: {len(numbers)} mutant" in text
    assert f"python -m tests.fuzz --kind {KIND} --seed {BAD.seed} --number {numbers[0]}" in text


def test_the_place_of_a_hang_is_that_of_the_main_thread(found: Found) -> None:
    _, fault = next(case for key, cases in found.faults.items() if key[0] == "hang" for case in cases)
    assert fault.detail.startswith("misdeeds.py:")


@pytest.mark.parametrize(
    ("outcome", "what"),
    [
        (Outcome(0, b"fine\n"), []),
        (Outcome(0, "\N{MAN}\u200d\N{WOMAN}\n".encode()), []),
        (Outcome(2, b"", b"gwinspect: bot.gwcap does not exist\n"), []),
        (Outcome(2), ["no sentence"]),
        (Outcome(3, b"", b"x"), ["exit code"]),
        (Outcome(0, b"\x1b[2J"), ["raw characters"]),
        (Outcome(0, b"", "\u202e".encode()), ["raw characters"]),
        (Outcome(0, b"\xff"), ["not UTF-8"]),
        (Outcome(1, b"", b"Traceback (most recent call last):\n  inspector/x.py:3 in y\nValueError"), ["crash"]),
        (Outcome(0, b"this row could not be shown (bug in gwinspect: KeyError in x.py:3)"), ["Python in a text"]),
        (Outcome(2, b"", b"gwinspect: [Errno 2] No such file"), ["Python in a text"]),
        (Outcome(None, errors=[ValueError("x")]), ["ValueError"]),
    ],
)
def test_only_documented_outcomes_are_accepted(outcome: Outcome, what: list[str]) -> None:
    assert [fault.what for fault in faults_of(SHOW, outcome)] == what


@pytest.mark.parametrize("kind", ["capture", "flow", "folder"])
def test_one_mutant_can_be_had_again_with_its_files(tmp_path: Path, kind: str) -> None:
    root = Path(misdeeds.__file__).parents[2]
    command = [sys.executable, "-m", "tests.fuzz", "--kind", kind, "--seed", "7", "--number", "3"]
    run = subprocess.run(
        command, cwd=tmp_path, env={"PYTHONPATH": str(root), "PATH": ""}, capture_output=True, text=True
    )
    assert "1 mutant" in run.stdout, run.stderr
    place = tmp_path / "fuzz-found" / f"{kind}-7-3"
    saved = {str(path.relative_to(place)): path.read_bytes() for path in place.rglob("*") if path.is_file()}
    assert saved == ByDice((kind,), 7).make(3).files
