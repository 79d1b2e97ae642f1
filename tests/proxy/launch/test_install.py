"""What a launch writes into its folder, and into the environment of a command."""

import os
import re
from pathlib import Path

import pytest

from inspector.proxy.launch.folder import Folder
from inspector.proxy.launch.install import hook_variables, lay_hooks
from inspector.proxy.launch.reports import read_reports
from inspector.proxy.mitmdump import Settings


@pytest.fixture
def folder(tmp_path: Path) -> Folder:
    return Folder(tmp_path)


def test_hooks_are_added_to_what_the_user_has(folder: Folder) -> None:
    theirs = {"PYTHONPATH": "/their/modules", "NODE_OPTIONS": "--no-warnings", "BUN_OPTIONS": "--smol"}
    assert hook_variables(folder, theirs) == {
        "PYTHONPATH": f"{folder.hooks}{os.pathsep}/their/modules",
        "NODE_OPTIONS": f'--no-warnings --require "{folder.hooks}/node.cjs"',
        "BUN_OPTIONS": f"--smol --preload={folder.hooks}/bun.cjs",
    }
    assert hook_variables(folder, {})["PYTHONPATH"] == str(folder.hooks)


def test_bun_is_left_alone_where_it_could_not_find_its_hook(tmp_path: Path) -> None:
    """It would end at once."""
    (tmp_path / "with a space").mkdir()
    folder = Folder(tmp_path / "with a space")
    lay_hooks(Settings(tmp_path / "x.gwcap"), _certificate(tmp_path), folder)
    assert "BUN_OPTIONS" not in hook_variables(folder, {})
    reports = read_reports(folder.reports)
    assert [(each.runtime, each.what) for each in reports] == [("bun", "failed")]
    assert str(tmp_path) in reports[0].text


def test_the_plan_is_written_into_the_hooks(folder: Folder, tmp_path: Path) -> None:
    lay_hooks(Settings(tmp_path / "x.gwcap", port=4711, hosts=["chat.example"]), _certificate(tmp_path), folder)
    assert sorted(path.name for path in folder.hooks.iterdir()) == ["bun.cjs", "node.cjs", "sitecustomize.py"]
    for name in ("node.cjs", "sitecustomize.py"):
        text = (folder.hooks / name).read_text("utf-8")
        assert re.search(r"port\W+4711\b", text)
        assert "a certificate of the proxy" in text


def test_a_folder_is_gone_once_it_is_cleared(folder: Folder, tmp_path: Path) -> None:
    lay_hooks(Settings(tmp_path / "x.gwcap"), _certificate(tmp_path), folder)
    (tmp_path / "ca.pem").unlink()
    folder.clear()
    assert not folder.path.exists()


def _certificate(folder: Path) -> Path:
    certificate = folder / "ca.pem"
    certificate.write_text("a certificate of the proxy")
    return certificate
