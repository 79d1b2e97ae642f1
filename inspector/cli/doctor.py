"""``gwinspect doctor``: what a recording needs of this machine."""

import tempfile
import textwrap
from pathlib import Path

import click

from inspector.cli.ending import tidy_up
from inspector.cli.output import flush, paints, say
from inspector.cli.proxying import DEFAULT_HOST, DEFAULT_PORT, confdir
from inspector.cli.staging import staged
from inspector.errors import GwinspectError
from inspector.inert import inert
from inspector.passive.checks import check_packets
from inspector.proxy.checks import (
    Check,
    State,
    check_authority,
    check_command,
    check_local_mode,
    check_port,
    check_runtimes,
    check_versions,
)
from inspector.report.colour import painted
from inspector.store.reader import Reader

_COLOURS = {State.OK: "32", State.NOTE: "33", State.PROBLEM: "31;1"}
# Columns of text, as help has them.
_WIDTH = 100


@click.command(epilog="Example: gwinspect doctor -- node bot.js")
@click.argument("command", nargs=-1, type=click.UNPROCESSED)
@click.option(
    "--confdir",
    "folder",
    type=click.Path(path_type=Path),
    metavar="FOLDER",
    help="Folder with mitmproxy's certificates  [default: ~/.mitmproxy]",
)
def doctor(command: tuple[str, ...], folder: Path | None) -> None:
    """Check what a recording needs, and say how to get what is missing.

    Looks at versions, the proxy's certificate and who trusts it, the port, the rights that some modes need, and the
    runtimes installed here; then sends a WebSocket through a proxy, on loopback. With COMMAND, says how it would be
    recorded, without running it. Exits with 1 if there is a problem.
    """
    tidy_up()
    checks = [
        check_versions(),
        *check_authority(Path(folder or confdir()).expanduser()),
        check_port(DEFAULT_HOST, DEFAULT_PORT),
        check_local_mode(),
        check_packets(),
        *check_runtimes(),
        *(check_command(command, f"{DEFAULT_HOST}:{DEFAULT_PORT}") if command else ()),
    ]
    for check in checks:
        _print(check)
    tried = _try()
    _print(tried)
    if State.PROBLEM in {check.state for check in (*checks, tried)}:
        raise SystemExit(1)


def _try() -> Check:
    """Send what a client and a gateway say to each other through a proxy, and read it back from the capture."""
    what = "self-test"
    with tempfile.TemporaryDirectory(prefix="gwinspect-doctor-") as folder:
        capture, log = Path(folder, "doctor.gwcap"), Path(folder, "log")
        try:
            with staged("plain-json", capture, Path(folder), client="scripted", pace=0, log=log):
                pass
            reader = Reader(capture)
            rows, connections = reader.last(), len(reader.connections())
            reader.close()
        except GwinspectError as error:
            return Check(
                State.PROBLEM, what, f"{error} {error.shown}".rstrip(), "Fix the problem above, and run this again."
            )
        if not rows:
            said = log.read_text("utf-8", "replace").strip()[-500:] if log.exists() else ""
            return Check(State.PROBLEM, what, f"nothing was recorded. {said}", "Report this, with everything above.")
    return Check(State.OK, what, f"{connections} WebSocket through a proxy on loopback: {rows} rows recorded")


def _print(check: Check) -> None:
    head = f"{check.state.value:<8} {check.what:<14} "
    indent = " " * len(head)
    lines = textwrap.wrap(inert(check.found), _WIDTH - len(head), break_long_words=False) or [""]
    mark = painted(f"{check.state.value:<8}", _COLOURS[check.state] if paints() else "")
    say(f"{mark} {inert(check.what):<14} {lines[0]}", colours=paints())
    for line in (
        *lines[1:],
        *textwrap.wrap(check.fix and f"fix: {inert(check.fix)}", _WIDTH - len(head), break_long_words=False),
    ):
        say(f"{indent}{line}")
    flush()
