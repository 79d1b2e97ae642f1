"""What once broke, through every way to use a file; tests/corpus/README.md says for each file what it broke."""

from random import Random

import pytest

from tests.fuzz.corpus import CORPUS, RECIPES, readme
from tests.fuzz.hunt import Found, hunt
from tests.fuzz.mutant import Mutant
from tests.fuzz.usage import all_uses

FILES = sorted(path.name for path in CORPUS.iterdir() if path.name != "README.md")
# Bytes of a file that still belongs into a repository.
LARGEST = 60_000


class Corpus:
    """The files by number, each with all that can be done with a file."""

    def kind(self, number: int) -> str:
        return "corpus"

    def make(self, number: int) -> Mutant:
        name = FILES[number % len(FILES)]
        data = (CORPUS / name).read_bytes()
        return Mutant({name: data}, all_uses(name, data, Random(number)))

    def again(self, number: int) -> str:
        return f"python -m pytest tests/test_corpus.py -k {FILES[number]}"


@pytest.fixture(scope="module")
def found() -> Found:
    return hunt(Corpus(), count=len(FILES), seconds=600, workers=1)["corpus"]


@pytest.mark.parametrize("name", FILES)
def test_what_once_broke_is_read_as_documented(found: Found, name: str) -> None:
    faults = [fault for cases in found.faults.values() for number, fault in cases if FILES[number] == name]
    assert faults == []


def test_all_of_it_was_tried(found: Found) -> None:
    assert found.mutants == len(FILES)


def test_each_file_is_small_and_has_its_line_in_the_readme() -> None:
    assert sorted(RECIPES) == FILES
    assert (CORPUS / "README.md").read_text("utf-8") == readme()
    assert all((CORPUS / name).stat().st_size < LARGEST for name in FILES)
