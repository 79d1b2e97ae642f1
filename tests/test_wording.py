"""What users read is in plain words: none of those that a reviewer once had to take out."""

import ast
import re
import subprocess
import tomllib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

ROOT = Path(__file__).parent.parent

# Old or foreign turns, each with what to say instead.
INSTEAD = {
    r"\banew\b": "again; start over; a new …",
    r"\bbefell?\b": "happened to",
    r"\bin vain\b": "without success; failed",
    r"\b(whoever|whosoever)\b": "anyone who",
    r"\bnobody\b": "no one; unknown",
    r"\b(stands|stood)\b": "is",
    r"\bbesides?\b": "next to; also",
    r"\bmostly\b": "usually",
    r"\b(goes|went|go) on\b": "continues; keeps …ing",
    r"\bby itself\b": "on its own",
    r"\b(broke|breaks|broken) off\b": "ended; dropped; failed",
    r"\bleft alone\b": "not overwritten; unchanged",
    r"\b(taken|takes|take) away\b": "removed; deleted",
    r"\b(mend|mended)\b": "fix; repair",
    r"(?<!look )\balike\b": "the same; and",
    r"\b(upon|hence|thus|lest|hitherto)\b": "after; so",
    r"\bmay not be (read|written) by\b": "permission denied",
    r"(?<!there )\b(is|are) no (?!longer\b|more\b)[a-z]": "is not a",
    r"\bNoneType\b": "null",
}


def files(*endings: str) -> list[Path]:
    """Return the files of the tree that users read something out of."""
    listed = subprocess.run(
        ["git", "ls-files", "inspector", "addons", "docs", "*.md"], cwd=ROOT, capture_output=True, text=True, check=True
    )
    known = {ROOT / line for line in listed.stdout.splitlines() if not line.startswith("tests/")}
    return sorted(path for path in known if path.suffix in endings)


def literals(path: Path) -> Iterator[str]:
    """Yield the texts in a module: all literals but docstrings, and the docstrings of commands and rules.

    Those of the functions in an f-string are theirs, so only its own words are taken.
    """
    tree = ast.parse(path.read_text())
    hidden = set()
    for node in ast.walk(tree):
        if not isinstance(node, ast.Module | ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef):
            continue
        is_shown = isinstance(node, ast.FunctionDef) and any(map(_shows_docstring, node.decorator_list))
        for statement in node.body:
            if isinstance(statement, ast.Expr) and isinstance(statement.value, ast.Constant) and not is_shown:
                hidden.add(id(statement.value))
    for node in ast.walk(tree):
        if isinstance(node, ast.Constant) and isinstance(node.value, str) and id(node) not in hidden:
            yield node.value


def _shows_docstring(decorator: ast.expr) -> bool:
    called = decorator.func if isinstance(decorator, ast.Call) else decorator
    return ast.unparse(called) in ("rule", "click.command", "click.group", "main.command")


def values(item: Any) -> Iterator[str]:
    """Yield the texts in a table, at any depth."""
    if isinstance(item, str):
        yield item
    elif isinstance(item, dict):
        for each in item.values():
            yield from values(each)
    elif isinstance(item, list):
        for each in item:
            yield from values(each)


def odd(texts: Iterator[str]) -> list[str]:
    return [
        f"{found[0]!r} in {text!r}; say: {instead}"
        for text in texts
        # Names in code are names, and SQL is no English.
        for pattern, instead in INSTEAD.items()
        if " " in text and (found := re.search(pattern, text, re.IGNORECASE))
    ]


@pytest.mark.parametrize("path", files(".py"), ids=lambda path: str(path.relative_to(ROOT)))
def test_the_texts_of_a_module_are_in_plain_words(path: Path) -> None:
    assert odd(literals(path)) == []


@pytest.mark.parametrize("path", files(".toml"), ids=lambda path: str(path.relative_to(ROOT)))
def test_the_texts_of_a_table_are_in_plain_words(path: Path) -> None:
    assert odd(values(tomllib.loads(path.read_text()))) == []


@pytest.mark.parametrize("path", files(".md"), ids=lambda path: str(path.relative_to(ROOT)))
def test_a_page_is_in_plain_words(path: Path) -> None:
    assert odd(iter(path.read_text().split("\n"))) == []
