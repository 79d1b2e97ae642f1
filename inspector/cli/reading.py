"""What the commands that read recordings have in common: whatever they are given, a capture is what they read."""

import tempfile
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import click

from inspector.cli.ending import tidy_up
from inspector.cli.progress import progress_bar
from inspector.cli.stdin import with_stdin
from inspector.protocol.registry import default
from inspector.store.file import is_capture, passing_file

Decorated = Callable[..., Any]


def import_options(command: Decorated) -> Decorated:
    """Add the options for files of other formats."""
    for option in (
        click.option("--no-cache", is_flag=True, help="Do not cache imports of other formats"),
        click.option(
            "--host", "hosts", multiple=True, metavar="HOST", help="Another host that is a gateway; may be repeated"
        ),
    ):
        command = option(command)
    return command


def as_capture(
    captures: Sequence[Path], hosts: Sequence[str] = (), *, no_cache: bool = False, keep_secrets: bool = False
) -> Path:
    """Return one capture with all that is in the files `captures`: the one that is named, or one that they make.

    That one is in the cache, or, where no one is to keep it, gone when the command ends: with `no_cache`, for what
    comes through a pipe, and where it has secrets that are usually masked (`keep_secrets`). Raises CaptureError,
    UsageError, EnvironmentProblem.
    """
    paths = with_stdin(captures)
    if len(paths) == 1 and is_capture(paths[0]):
        return paths[0]
    tidy_up()
    # Imported here: captures have no need of them.
    from inspector.importers.cache import MADE_BY, imported
    from inspector.importers.merge import Input, merge

    with progress_bar(f"importing {', '.join(path.name for path in paths)}") as report:
        if not no_cache and not keep_secrets and paths == tuple(captures):
            return imported(paths, default(), hosts, report=report)
        inputs = [Input(path, hosts) for path in paths]
        target = click.get_current_context().with_resource(
            passing_file(Path(tempfile.gettempdir()) / "gwinspect-import.gwcap")
        )
        merge(inputs, target, default(), made_by=MADE_BY, keep_secrets=keep_secrets, report=report)
        return target
