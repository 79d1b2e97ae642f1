"""Importers of other packages, in the form of docs/importers.md: installed by a folder with its own metadata."""

import re
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from inspector.errors import CaptureError, NotACapture
from inspector.importers import plugins
from inspector.importers.cache import Place
from inspector.importers.formats import open_source
from inspector.importers.merge import Input, merge
from inspector.protocol.registry import default
from inspector.report.rows import notes_of
from inspector.store.reader import Reader

PAGE = (Path(__file__).parents[2] / "docs" / "importers.md").read_text("utf-8")
Install = Callable[..., None]

RECORDING = 'mytool 1\n1769860800.5 < {"op":10,"d":{"heartbeat_interval":41250}}\n1769860801 > {"op":1,"d":null}\n'

NO_IMPORTER = "class Tool:\n    pass\n"
NO_MODULE = "import no_such_module\n"
RAISES = """
from inspector.importers.plugins import Importer
class Tool(Importer):
    @staticmethod
    def recognizes(head):
        raise KeyError("secret")
    def read(self):
        yield
"""
# What it reads: each replaces the last line of a good one.
READS = """
from inspector.importers.plugins import Importer
from inspector.model import *
class Tool(Importer):
    format = "mine"
    @staticmethod
    def recognizes(head):
        return head.startswith(b"mytool")
    def read(self):
        opened = self.admit(Opened(0, 10**18, Plane.GATEWAY, "wss://gateway.discord.gg/?v=10&encoding=json"))
        yield opened
        yield Frame(opened.connection, 10**18, False, True, b'{{"op":11}}')
        {}
"""


@pytest.fixture
def install(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Install]:
    """Install packages with one module, which has the class `Tool`."""
    site = tmp_path / "site"
    monkeypatch.syspath_prepend(str(site))
    names: list[str] = []

    def install(code: str, name: str = "mytool", attribute: str = "Tool") -> None:
        (site / f"{name}_gwinspect.dist-info").mkdir(parents=True)
        (site / f"{name}_gwinspect.dist-info" / "METADATA").write_text(
            f"Metadata-Version: 2.1\nName: {name}-gwinspect\nVersion: 1.5\n"
        )
        (site / f"{name}_gwinspect.dist-info" / "entry_points.txt").write_text(
            f"[gwinspect.importers]\n{name} = {name}_gwinspect:{attribute}\n"
        )
        (site / f"{name}_gwinspect.py").write_text(code)
        names.append(f"{name}_gwinspect")

    plugins.installed.cache_clear()
    yield install
    plugins.installed.cache_clear()
    for name in names:
        sys.modules.pop(name, None)


@pytest.fixture
def recording(tmp_path: Path) -> Path:
    path = tmp_path / "bot.mytool"
    path.write_text(RECORDING)
    return path


def notes(path: Path, folder: Path) -> list[str]:
    target = folder / "out.gwcap"
    merge([Input(path)], target, default(), made_by="test")
    reader = Reader(target)
    try:
        return notes_of(reader)
    finally:
        reader.close()


def the_pages() -> str:
    code = re.search(r"^```python\n(.*?)^```$", PAGE, re.MULTILINE | re.DOTALL)
    assert code is not None
    return code[1]


def test_the_importer_of_the_page_reads_its_format(install: Install, recording: Path, tmp_path: Path) -> None:
    install(the_pages(), attribute="ToolLog")
    assert notes(recording, tmp_path) == []
    reader = Reader(tmp_path / "out.gwcap")
    found = [(event.kind.value, event.op, event.from_client) for event in reader.all_events()]
    reader.close()
    assert found == [("open", None, None), ("payload", 10, False), ("payload", 1, True)]


def test_the_page_says_how_it_is_installed() -> None:
    assert '[project.entry-points."gwinspect.importers"]\nmytool = "mytool_gwinspect:ToolLog"' in PAGE


def test_our_own_formats_come_first_and_load_none(install: Install, tmp_path: Path) -> None:
    install(RAISES)
    path = tmp_path / "day.har"
    path.write_text('{"log": {}}')
    open_source(path)
    assert "mytool_gwinspect" not in sys.modules


def test_starting_up_does_not_look_for_plugins() -> None:
    code = "import sys, inspector.importers.merge; sys.exit('importlib.metadata' in sys.modules)"
    subprocess.run([sys.executable, "-c", code], check=True)


@pytest.mark.parametrize(
    ("code", "why"),
    [
        (NO_MODULE, "cannot be loaded (ModuleNotFoundError in mytool_gwinspect.py:1)"),
        (NO_IMPORTER, "is not a subclass of inspector.importers.plugins.Importer"),
        (RAISES, "failed (KeyError in mytool_gwinspect.py:6)"),
        ("(", "cannot be loaded (SyntaxError"),
    ],
)
def test_a_broken_one_is_named_where_a_file_is_unknown(install: Install, recording: Path, code: str, why: str) -> None:
    install(code)
    recording.write_text("mytool 1\nin no form that gwinspect knows\n")
    with pytest.raises(NotACapture) as raised:
        open_source(recording)
    assert raised.value.shown.startswith(f"the importer mytool (from mytool-gwinspect 1.5) {why}")
    assert "secret" not in raised.value.shown


def test_a_broken_one_does_not_keep_another_from_reading(install: Install, recording: Path, tmp_path: Path) -> None:
    install(NO_MODULE, "aaa")
    install(READS.format("return"))
    assert notes(recording, tmp_path) == [
        "the importer aaa (from aaa-gwinspect 1.5) cannot be loaded (ModuleNotFoundError in aaa_gwinspect.py:1)"
    ]


@pytest.mark.parametrize(
    ("line", "why"),
    [
        ("raise ZeroDivisionError", "failed (ZeroDivisionError in mytool_gwinspect.py:13)"),
        ("yield 'text'", "it is not a happening"),
        ("yield Frame(opened.connection, 1.5, False, True, b'')", "its time is not in nanoseconds since 1970"),
        ("yield Frame(opened.connection, -1, False, True, b'')", "its time is not in nanoseconds since 1970"),
        ("yield Frame(opened.connection, 2**63, False, True, b'')", "its time is not in nanoseconds since 1970"),
        ("yield Frame(opened.connection, 1, False, True, 'text')", "its data is not bytes"),
        ("yield Frame('one', 1, False, True, b'')", "its connection is not a number"),
    ],
)
def test_one_that_fails_leaves_what_it_has_read(
    install: Install, recording: Path, tmp_path: Path, line: str, why: str
) -> None:
    install(READS.format(line))
    [note] = notes(recording, tmp_path)
    assert note.startswith("the importer mytool (from mytool-gwinspect 1.5) ")
    assert note.endswith(f"{why}; what it read before that is shown")
    reader = Reader(tmp_path / "out.gwcap")
    assert reader.last() == 2
    reader.close()


def test_one_that_says_why_it_cannot_read_on_is_believed(install: Install, recording: Path, tmp_path: Path) -> None:
    install(READS.format("from inspector.errors import CaptureError; raise CaptureError('it is torn')"))
    with pytest.raises(CaptureError, match="it is torn"):
        notes(recording, tmp_path)


def test_one_that_cannot_be_made_is_named(install: Install, recording: Path) -> None:
    install(
        READS.format("return").replace(
            "format =", "def __init__(self, path, hints):\n        raise KeyError\n    format ="
        )
    )
    with pytest.raises(CaptureError, match=r"the importer mytool \(from mytool-gwinspect 1.5\) failed \(KeyError in"):
        open_source(recording)


def test_what_an_importer_made_is_made_again_by_its_next_version(
    install: Install, recording: Path, tmp_path: Path
) -> None:
    install(READS.format("return"))
    first = Place([recording], default(), folder=tmp_path / "cache")
    metadata = tmp_path / "site" / "mytool_gwinspect.dist-info" / "METADATA"
    metadata.write_text(metadata.read_text().replace("1.5", "1.6"))
    plugins.installed.cache_clear()
    assert Place([recording], default(), folder=tmp_path / "cache").path != first.path
