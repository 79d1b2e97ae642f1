import re
import subprocess
import sys
import tomllib
from importlib import import_module
from pathlib import Path

import click
import pytest

from inspector.cli.main import COMMANDS

pytestmark = pytest.mark.compat


def test_every_command_is_in_a_file_of_its_name() -> None:
    for name in COMMANDS:
        assert isinstance(getattr(import_module(f"inspector.cli.{name}"), name), click.Command)


@pytest.mark.parametrize("name", COMMANDS)
def test_help_begins_with_the_line_that_the_list_shows(run, name: str) -> None:
    result = run(name, "--help")
    assert result.code == 0
    assert COMMANDS[name].rstrip(".") in " ".join(result.out.split())


@pytest.mark.parametrize("name", COMMANDS)
def test_help_has_an_example_or_lists_what_can_be_named(run, name: str) -> None:
    assert "Example: " in run(name, "--help").out or name == "demo"


def test_exit_codes_are_documented(run) -> None:
    assert "Exit codes: 0 fine, 1 findings, or COMMAND failed, 2 it could not be done" in " ".join(
        run("--help").out.split()
    )


def test_an_unknown_command_is_wrong_usage(run) -> None:
    result = run("shwo")
    assert (result.code, result.out) == (2, "")


def test_tables_and_readme_name_only_commands_that_there_are() -> None:
    root = Path(__file__).parents[2]
    texts = [root / "README.md", *(root / "inspector" / "protocol" / "tables").glob("*.toml")]
    named = {word for path in texts for word in re.findall(r"['`$] ?gwinspect ([a-z]+)", path.read_text("utf-8"))}
    assert named <= set(COMMANDS)
    assert "record" in named


def test_showing_a_capture_imports_only_what_it_needs() -> None:
    """It begins twice as fast without what other files, filters and options need."""
    sample = Path(__file__).parents[2] / "sample_captures" / "resume.gwcap"
    unneeded = (
        "mitmproxy",
        "textual",
        "inspector.importers.formats",
        "inspector.pipeline",
        "inspector.query",
        "asyncio",
    )
    script = (
        f"import sys; sys.argv = ['gwinspect', 'show', {str(sample)!r}]\n"
        "from inspector.cli.main import main\n"
        "try: main()\n"
        "except SystemExit: pass\n"
        f"print([name for name in {unneeded} if name in sys.modules])"
    )
    out = subprocess.run([sys.executable, "-c", script], capture_output=True, check=True, text=True).stdout
    assert out.splitlines()[-1] == "[]"


def test_help_imports_neither_mitmproxy_nor_the_tables() -> None:
    script = (
        "import sys; sys.argv = ['gwinspect', '--help']\n"
        "from inspector.cli.main import main\n"
        "try: main()\n"
        "except SystemExit: pass\n"
        "print([name for name in ('mitmproxy', 'aiohttp', 'inspector.protocol') if name in sys.modules])"
    )
    out = subprocess.run([sys.executable, "-c", script], capture_output=True, check=True, text=True).stdout
    assert out.splitlines()[-1] == "[]"


def test_a_signal_while_the_program_is_being_imported_ends_it_without_a_traceback() -> None:
    project = tomllib.loads((Path(__file__).parents[2] / "pyproject.toml").read_text("utf-8"))["project"]
    module, _, function = project["scripts"]["gwinspect"].partition(":")
    script = (
        "import os, signal, sys; sys.argv = ['gwinspect', '--help']\n"
        "class Interrupting:\n"
        "    def find_spec(self, name, path=None, target=None):\n"
        "        if name == 'click': os.kill(os.getpid(), signal.SIGINT)\n"
        "sys.meta_path.insert(0, Interrupting())\n"
        f"from {module} import {function}\n"
        f"{function}()"
    )
    ended = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True)
    assert (ended.returncode, ended.stdout, ended.stderr) == (130, "", "")
