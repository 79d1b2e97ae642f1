"""README says what is true: its commands are run and their output compared.

``python -m tests.test_readme`` writes the output anew.
"""

import os
import re
import shlex
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from inspector.cli.main import COMMANDS
from inspector.diagnose import rule
from inspector.model import Plane, Severity
from inspector.protocol.registry import default, load
from inspector.query.grammar import parse
from inspector.session.messages import Hello
from tests.conversation import HELLO, Conversation
from tests.fed import asking, fed

ROOT = Path(__file__).parents[1]
README = ROOT / "README.md"
# A block whose first line is a command; the rest is what it prints.
BLOCK = re.compile(r"^```console\n\$ gwinspect ([^\n]*)\n(.*?)^```$", re.MULTILINE | re.DOTALL)


def output(command: str) -> str:
    script = "from inspector.cli.start import main; main()"
    environment = {**os.environ, "TZ": "UTC", "PYTHONPATH": str(ROOT), "COLUMNS": "100", "PYTHONIOENCODING": "utf-8"}
    whole = [sys.executable, "-c", script, *shlex.split(command)]
    result = subprocess.run(whole, capture_output=True, cwd=ROOT, env=environment)
    assert result.returncode in (0, 1), result.stderr
    return result.stdout.decode().rstrip() + "\n"


@pytest.mark.parametrize(("command", "printed"), BLOCK.findall(README.read_text("utf-8")))
def test_a_command_prints_what_readme_says(command: str, printed: str) -> None:
    assert output(command) == printed


def test_every_command_is_in_readme() -> None:
    text = README.read_text("utf-8")
    assert [name for name in COMMANDS if f"gwinspect {name}" not in text] == []


def test_every_option_of_the_addon_is_in_readme() -> None:
    recorder = (ROOT / "inspector/proxy/recorder.py").read_text("utf-8")
    options = re.findall(r'"(gwinspect_\w+)",\n\s+(?:str|bool|Sequence)', recorder)
    assert len(options) == 6
    assert [name for name in options if f"| `{name}` |" not in README.read_text("utf-8")] == []


def test_the_table_row_in_readme_can_be_loaded(tmp_path: Path) -> None:
    row = re.search(r"^ {6}\[\[opcode\]\]\n(?: {6}\w.*\n)+", README.read_text("utf-8"), re.MULTILINE)
    assert row is not None
    path = tmp_path / "own.toml"
    path.write_text(re.sub("^ {6}", "", row[0], flags=re.MULTILINE), "utf-8")
    assert load([path]).name("gateway", 97) == "Observed Thing"


def test_the_rule_in_readme_notices_what_it_says() -> None:
    code = re.search(r"^ {6}@rule\(\n(?: {6}.*\n)+", README.read_text("utf-8"), re.MULTILINE)
    assert code is not None
    names: dict[str, object] = {
        **vars(rule),
        "Hello": Hello,
        "Plane": Plane,
        "Severity": Severity,
        "Iterator": Iterator,
    }
    exec(re.sub("^ {6}", "", code[0], flags=re.MULTILINE), names)
    found = names["hello_without_interval"]
    assert isinstance(found, rule.Rule)
    assert set(found.source) <= default().sources.keys()
    pipeline = asking(found)
    talk = Conversation().opens().server(HELLO).server({"op": 10, "d": {}})
    events = fed(talk.happenings, pipeline).rows
    assert [(event.n, finding.rule) for event in events for finding in event.findings] == [(3, found.id)]


def test_every_filter_in_readme_is_one() -> None:
    block = re.search(r"^One language .*?\n\n((?: {4}.*\n)+)", README.read_text("utf-8"), re.MULTILINE)
    assert block is not None
    examples = [line.strip().split("   ")[0] for line in block[1].splitlines()]
    assert len(examples) == 10
    for example in examples:
        assert parse(example, default())


def test_every_link_in_readme_leads_somewhere() -> None:
    links = re.findall(r"\]\(([^)#]+)\)", README.read_text("utf-8"))
    assert [link for link in links if not (ROOT / link).exists()] == []


if __name__ == "__main__":
    text = README.read_text("utf-8")
    written = BLOCK.sub(lambda block: f"```console\n$ gwinspect {block[1]}\n{output(block[1])}```", text)
    README.write_text(written, "utf-8")
