"""The group of commands, and what becomes of errors."""

import sys
from importlib import import_module

import click

from inspector import __version__, leaving
from inspector.cli.crash import CRASHED, say_crash, say_crashes_of_threads
from inspector.cli.streams import ReaderGone, guarded
from inspector.errors import GwinspectError
from inspector.garbage import importing

# Every command with its one line of help: `gwinspect --help` shows it without importing them.
COMMANDS = {
    "demo": "See gwinspect at work on a simulated Discord, with nothing to configure.",
    "live": "Watch a client's gateway traffic live, through a proxy that records it.",
    "open": "Open recordings in the timeline.",
    "record": "Record a client's gateway traffic through a proxy.",
    "run": "Run another client through a proxy that is already running.",
    "doctor": "Check what a recording needs, and say how to get what is missing.",
    "show": "Print recordings as an annotated timeline.",
    "stats": "Count what recordings hold.",
    "diagnose": "Explain what went wrong, why, and what to do.",
    "report": "Make one HTML file that explains recordings.",
    "explain": "Explain an opcode, close code, event, intent, id or rule.",
    "convert": "Make a capture from frames, mitmproxy flows, HARs, DevTools events, packet captures or other captures.",
    "export": "Write recordings in a form that other programs read.",
    "scrub": "Make a capture without secrets and people, to share.",
    "bundle": "Make a zip archive of recordings for an issue.",
    "cache": "List or clear cached imports of other formats.",
    "reindex": "Decode a capture's stored frames again.",
    "sql": "Query a capture with SQL.",
    "addon": "Print the path of the addon for mitmproxy -s.",
}


class _Commands(click.Group):
    """Imports a command when it is called, so that --help and completion are instant."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        return list(COMMANDS)

    def get_command(self, ctx: click.Context, name: str) -> click.Command | None:
        if name not in COMMANDS:
            return None
        with importing():
            command = getattr(import_module(f"inspector.cli.{name}"), name)
        assert isinstance(command, click.Command)
        return command

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        with formatter.section("Commands"):
            formatter.write_dl(list(COMMANDS.items()))


@click.group(
    cls=_Commands,
    context_settings={"help_option_names": ["-h", "--help"]},
    epilog="Exit codes: 0 fine, 1 findings, or COMMAND failed, 2 it could not be done, or not all was recorded.",
)
@click.version_option(__version__, prog_name="gwinspect")
def gwinspect() -> None:
    """See what a Discord client and Discord's gateways say to each other."""


def main() -> None:
    """Run the command line. Errors that a person can act on become one sentence and an exit code."""
    leaving.install()
    say_crashes_of_threads()
    with guarded():
        code = _run()
        try:
            sys.stdout.flush()
        except ReaderGone:
            pass
        except GwinspectError as error:
            code = _fail(error)
    sys.exit(code)


def _run() -> int:
    """Run the command that was asked for, and return the exit code."""
    try:
        return int(gwinspect.main(prog_name="gwinspect", standalone_mode=False) or 0)
    except (GwinspectError, click.ClickException) as error:
        return _fail(error)
    except (click.Abort, KeyboardInterrupt):
        return 130
    except ReaderGone:
        return 0
    except SystemExit as left:
        return int(left.code or 0)
    except Exception as error:
        # Python, and the libraries that print tracebacks in colour, would show what it was working on.
        say_crash(error)
        return CRASHED


def _fail(error: GwinspectError | click.ClickException) -> int:
    # Imported here: --help has no need of what rows are printed with.
    from inspector.cli.output import fail

    fail(error)
    return error.exit_code
