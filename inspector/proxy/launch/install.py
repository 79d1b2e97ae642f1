"""Lays out the hooks of one launch, and says what has to be in the environment of the command.

Each hook is a file of `hooks/` with what it has to know written into it: a program may not be allowed to read files or
its environment (Node's ``--permission``, Deno). What the user has in a variable is kept and extended.
"""

import json
import os
from collections.abc import Mapping
from importlib.resources import files
from pathlib import Path
from typing import Any

from inspector.protocol.hosts import redirects
from inspector.proxy.launch.environment import client_environment, write_bundle
from inspector.proxy.launch.folder import Folder
from inspector.proxy.launch.java import java_variables
from inspector.proxy.launch.reports import Report, write_report
from inspector.proxy.mitmdump import Settings

# A hook's file, with the line of it that takes the plan, and what that becomes: a literal of Python's, or JSON in a
# string, which JavaScript writes like JSON. None where a hook asks another for it.
_HOOKS: dict[str, tuple[str, str] | None] = {
    "sitecustomize.py": ("PLAN = None\n", "PLAN = {plan!r}\n"),
    "node.cjs": ("const PLAN = null;\n", "const PLAN = JSON.parse({});\n"),
    "bun.cjs": None,
}


def launch_environment(
    settings: Settings, ca: Path, folder: Folder, environment: Mapping[str, str] = os.environ
) -> dict[str, str]:
    """Return the environment that leads a command to a proxy with these settings and makes it trust `ca` (PEM).

    `environment` is what it has otherwise. `folder` takes certificates and hooks, and stays as long as the command.
    """
    bundle = write_bundle(folder.bundle, ca)
    java = java_variables(settings, bundle, folder.key_store, environment)
    if not settings.is_http_proxy:
        # Traffic comes to the proxy on its own.
        return {**environment, **client_environment(None, bundle), **java}
    lay_hooks(settings, ca, folder)
    variables = client_environment(settings.address, bundle) | java | hook_variables(folder, environment)
    return {**environment, **variables}


def lay_hooks(settings: Settings, ca: Path, folder: Folder) -> None:
    """Write the hooks into `folder`, and make the file of their reports."""
    folder.reports.touch(0o600)
    plan = {
        # An address to connect to, where the proxy listens on a name or on all addresses.
        "host": "127.0.0.1" if settings.host in ("", "0.0.0.0", "localhost") else settings.host,
        "port": settings.port,
        "hosts": [[each.pattern, list(each.ports)] for each in redirects(settings.hosts)],
        "ca": ca.read_text("ascii"),
        "reports": str(folder.reports),
    }
    for name in _HOOKS:
        lay_hook(folder, name, plan)


def lay_hook(folder: Folder, name: str, plan: Mapping[str, Any]) -> None:
    """Write one hook into `folder`, with what it has to know."""
    folder.hooks.mkdir(mode=0o700, exist_ok=True)
    text = files("inspector.proxy.launch").joinpath("hooks", name).read_text("utf-8")
    line = _HOOKS[name]
    if line is not None:
        placeholder, filled_in = line
        assert text.count(placeholder) == 1, f"{name} has one line for the plan"
        text = text.replace(placeholder, filled_in.format(json.dumps(json.dumps(plan)), plan=plan))
    (folder.hooks / name).write_text(text, "utf-8")


def hook_variables(folder: Folder, environment: Mapping[str, str]) -> dict[str, str]:
    """Return the variables that make runtimes load the hooks, made of what they are in `environment`.

    Node and Bun end at once if a file that they are to load is missing: `folder` has to outlive every program that has
    these variables.
    """
    variables = {
        "PYTHONPATH": python_path(folder, environment),
        "NODE_OPTIONS": node_options(environment, "--require", folder.hooks / "node.cjs"),
    }
    bun = (folder.hooks / "bun.cjs").as_posix()
    if any(character.isspace() or character in "\"'\\" for character in bun):
        # It knows no way to write such a path, and ends where it finds no file of that name.
        where = folder.path.parent
        text = f"BUN_OPTIONS takes no path with a space or a quote, such as {where}; set TMPDIR to another folder"
        write_report(folder.reports, Report(os.getpid(), "bun", "failed", text=text))
    else:
        variables["BUN_OPTIONS"] = _extended(environment.get("BUN_OPTIONS"), f"--preload={bun}")
    return variables


def python_path(folder: Folder, environment: Mapping[str, str]) -> str:
    """Return PYTHONPATH with the hook of `folder` in front."""
    return os.pathsep.join(path for path in (str(folder.hooks), environment.get("PYTHONPATH")) if path)


def node_options(environment: Mapping[str, str], flag: str, path: Path) -> str:
    """Return NODE_OPTIONS with one more flag that takes a path."""
    # A string as in JSON: Node takes a space inside double quotes, and there alone a backslash escapes.
    return _extended(environment.get("NODE_OPTIONS"), f"{flag} {json.dumps(str(path), ensure_ascii=False)}")


def _extended(theirs: str | None, ours: str) -> str:
    return f"{theirs} {ours}" if theirs else ours
