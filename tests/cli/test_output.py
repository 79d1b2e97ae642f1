"""There is one place that prints, and what passes it cannot act on a terminal."""

import ast
from pathlib import Path

import pytest

import inspector.cli
from inspector.cli.output import pass_on, say
from inspector.inert import inert

FOLDER = Path(inspector.cli.__file__).parent
# A bar is drawn by click, with a label that is made inert.
MAY_PRINT = {"output.py", "progress.py", "streams.py"}
PRINTING = {"print", "echo", "secho", "echo_via_pager", "prompt", "confirm", "progressbar", "style"}
STREAMS = {"stdout", "stderr", "__stdout__", "__stderr__"}
# What may be asked of a stream elsewhere.
QUESTIONS = {"isatty", "encoding", "fileno", "flush"}
HOSTILE = "\x1b]0;pwned\x07\x9b31m\u202e\u2028"


def printing(source: str) -> list[int]:
    """Return the lines of a module that print, or take hold of a stream to."""
    tree = ast.parse(source)
    asked = {id(node.value) for node in ast.walk(tree) if isinstance(node, ast.Attribute) and node.attr in QUESTIONS}
    found = []
    for node in ast.walk(tree):
        match node:
            case ast.Call(func=ast.Name(id=name)) | ast.Call(func=ast.Attribute(value=ast.Name(id="click"), attr=name)):
                if name in PRINTING:
                    found.append(node.lineno)
            case ast.ImportFrom(module="click" | "sys", names=names):
                if {alias.name for alias in names} & (PRINTING | STREAMS):
                    found.append(node.lineno)
            case ast.Attribute(value=ast.Name(id="sys"), attr=name, ctx=ast.Load()) if name in STREAMS:
                if id(node) not in asked:
                    found.append(node.lineno)
            case ast.Call(func=ast.Attribute(value=ast.Name(id="os"), attr="write")):
                found.append(node.lineno)
            case ast.Call(func=ast.Attribute(value=ast.Name(id="error"), attr="show")):
                found.append(node.lineno)
    return found


@pytest.mark.parametrize(
    "line",
    [
        "print('x')",
        "click.echo('x', err=True)",
        "from click import echo",
        "out = sys.stdout.buffer",
        "sys.stderr.write('x')",
        "csv.writer(sys.stdout)",
        "os.write(1, b'x')",
        "error.show()",
    ],
)
def test_printing_is_noticed(line: str) -> None:
    assert printing(line) == [1]


@pytest.mark.parametrize("line", ["sys.stdout.isatty()", "sys.stdout = None", "sys.stdout.encoding", "say('x')"])
def test_what_does_not_print_is_let_be(line: str) -> None:
    assert printing(line) == []


@pytest.mark.parametrize("path", sorted(FOLDER.rglob("*.py")), ids=lambda path: path.name)
def test_nothing_prints_but_the_one_place(path: Path) -> None:
    if path.name not in MAY_PRINT:
        assert printing(path.read_text("utf-8")) == [], f"{path.name} is to print by inspector.cli.output"


HOSTILE_NAME = "\x1b]0;pwned\x07\x9b31m\u202e\u2028.gwcap"


@pytest.mark.parametrize(
    "arguments",
    [
        ("show", HOSTILE_NAME),
        ("show", f"--{HOSTILE_NAME}"),
        (HOSTILE_NAME,),
        ("show", "--format", HOSTILE_NAME, "x"),
        ("show", "x", "--limit", HOSTILE_NAME),
        ("record", "-s", HOSTILE_NAME),
        ("record", "--listen", HOSTILE_NAME),
        ("record", "--set", HOSTILE_NAME),
        ("record", "--host", "ho st" + HOSTILE_NAME),
        ("record", "--", HOSTILE_NAME),
        ("explain", HOSTILE_NAME),
        ("demo", HOSTILE_NAME),
        ("run", "--proxy", HOSTILE_NAME, "--", "true"),
        ("sql", HOSTILE_NAME, "select 1"),
        ("convert", HOSTILE_NAME, "-o", HOSTILE_NAME),
        ("reindex", HOSTILE_NAME),
        ("stats", "--where", HOSTILE_NAME, "x"),
    ],
    ids=" ".join,
)
def test_what_was_typed_is_quoted_inert(run, monkeypatch: pytest.MonkeyPatch, tmp_path: Path, arguments) -> None:
    """A file's name may be anyone's, and a shell completes it."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("GWINSPECT_CONFDIR", str(tmp_path))
    result = run(*arguments)
    assert result.code == 2
    assert "pwned" in result.err
    assert inert(result.err.replace("\n", "")) == result.err.replace("\n", "")
    assert result.out == ""


def test_only_the_colours_of_another_program_are_passed_on(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("click._compat.should_strip_ansi", lambda *arguments: False)
    monkeypatch.setattr("click.utils.should_strip_ansi", lambda *arguments: False)
    pass_on(f"\x1b[31mred\x1b[2J{HOSTILE}")
    assert capsys.readouterr().err == ("  \x1b[31mred\\x1b[2J\\x1b]0;pwned\\x07\\x9b31m\\u202e\\u2028\x1b[0m\n")


def test_a_line_has_no_colours_where_none_are_painted(capsysbinary: pytest.CaptureFixture[bytes]) -> None:
    say("\x1b[31mred\x1b[0m")
    say("\x1b[31mred\x1b[0m\x1b[5A", colours=True)
    assert capsysbinary.readouterr().out == b"\\x1b[31mred\\x1b[0m\n\x1b[31mred\x1b[0m\\x1b[5A\n"
