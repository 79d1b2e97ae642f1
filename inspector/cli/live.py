"""``gwinspect live``: a proxy with the addon, or a recorder of packets, and the timeline of what it records.

The screen reads the capture and nothing else, so recorder and client go on if it is killed. A file next to the capture
(`inspector.proxy.livefile`) then leads the next `gwinspect live` to them.
"""

import os
import shlex
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from functools import partial
from pathlib import Path

import click

from inspector.cli.crash import CRASHED, say_crash
from inspector.cli.ending import CLIENT_LIMIT, INCOMPLETE, tidy_up, until_signalled
from inspector.cli.filtering import search_for
from inspector.cli.follow import BEAT, Printout
from inspector.cli.output import Printer, note, on_screen, pass_on
from inspector.cli.proxying import (
    ProxyChoice,
    UnseenNote,
    default_capture,
    missing_from,
    note_unseen,
    proxy_options,
    sum_up,
    where_it_went,
)
from inspector.cli.underway import Log, Underway
from inspector.cli.ways import Way, way_again, way_of
from inspector.errors import UsageError
from inspector.protocol.registry import default
from inspector.proxy import livefile
from inspector.proxy.launch.folder import Folder
from inspector.proxy.livefile import Live
from inspector.proxy.process import Found, Process, end, identify
from inspector.report.present import Presenter
from inspector.store.parts import Trail, recording_of

# Lines of what a process said that are shown where it failed.
_LAST_WORDS = 10


@click.command(epilog="Example: gwinspect live --capture bot.gwcap -- python bot.py")
@click.argument("command", nargs=-1, type=click.UNPROCESSED)
@proxy_options
@click.option(
    "--where", default="", metavar="FILTER", help="Only rows that match, e.g. 'dir == send and op != heartbeat'"
)
@click.option("--plain", is_flag=True, help="Print rows instead of opening the screen")
@click.option(
    "--format",
    "output_format",
    type=click.Choice(["text", "jsonl"]),
    help="Print rows like this instead of opening the screen  [default without a terminal: text]",
)
def live(
    command: tuple[str, ...],
    proxy: ProxyChoice,
    where: str,
    plain: bool,
    output_format: str | None,
) -> None:
    """Watch a client's gateway traffic live, through a proxy that records it.

    With COMMAND, runs it with the proxy and its certificate in the environment; its output goes to a log. Quitting
    ends both, leaves a finished capture, and exits as COMMAND did. If the screen is killed they continue, and the
    same --capture returns to them. Without a terminal, prints rows until COMMAND ends, or until Ctrl-C.

    With --passive, records packets instead: no proxy, no certificate, and COMMAND writes its TLS keys.
    """
    tidy_up()
    search = search_for(where)
    capture = proxy.capture or default_capture()
    found = livefile.read(capture)
    if found is None:
        way = way_of(proxy, capture, has_command=bool(command))
    else:
        _check_abandoned(found, capture)
        way = way_again(found, capture, proxy.through)
    missed = missing_from(capture) if found is None else 0
    screen = on_screen() and not plain and output_format is None
    printout = Printout(capture, Printer(Presenter(default()), output_format or "text"), search)
    with _recording(way, command, found) as (underway, folder):
        trail = Trail(capture, found.recording if found is not None else "")
        trail.moved(at_once=True)
        note(way.told())
        note(f"recording into {trail.path}; {'q' if screen else 'Ctrl-C'} ends it")
        has_crashed = False
        with until_signalled() as ending:
            told = UnseenNote(underway.watch)
            is_over = partial(_over, underway, told)
            if screen:
                # Imported here: it takes a moment.
                from inspector.tui.run import run

                show = partial(run, trail.path, source=underway, follow=True, where=where)
            else:
                show = partial(printout.follow, is_over, trail)
            has_crashed = not _shows(show, trail)
            while has_crashed and not is_over():
                time.sleep(BEAT)
        # How it was before we ended it.
        state = underway.state()
        folder.keep_command_log = bool(state.client and state.client > 0)
    if not screen and not has_crashed:
        has_crashed = not _shows(printout.finish, trail, is_over=True)
    is_whole = sum_up(where_it_went(trail), "open" if screen else "show", missed=missed, has_notes=way.has_notes)
    code = CRASHED if has_crashed else 0
    if state.client is not None:
        known = f"exit code {state.client}" if state.client >= 0 else "an unknown exit code"
        note(f"{underway.command} ended with {known}")
        code = max(state.client, 0) or code
    if folder.keep_command_log:
        if screen:
            _say(Log(folder.command_log).lines()[-_LAST_WORDS:])
        note(f"its output is in {folder.command_log}")
    if state.proxy is not None:
        note(f"the {way.name} ended on its own; everything recorded until then is in the capture")
        if screen:
            _say(state.log[-_LAST_WORDS:])
        code = code or 1
    unseen = note_unseen(underway.watch)
    code = ending.exit_code(interrupted=state.client_running, unseen=unseen) or (
        code if is_whole and not printout.problem else INCOMPLETE
    )
    if code:
        raise SystemExit(code)


@contextmanager
def _recording(way: Way, command: Sequence[str], found: Live | None) -> Iterator[tuple[Underway, Folder]]:
    """Start a recording, or continue the one that was found, and end it with the block: first the client."""
    capture = way.capture
    with ExitStack() as stack:
        folder = Folder(Path(found.folder) if found else None)
        stack.callback(folder.clear)
        stack.callback(livefile.remove, capture)
        watch = way.watch(folder)
        # After client and recorder have ended: only then is everything in the capture.
        stack.callback(watch.stop)
        proxy: Process
        if found is None:
            proxy = stack.enter_context(way.recording(folder, folder.proxy_log))
        else:
            proxy = Found(found.proxy)
            stack.callback(way.stop, proxy)
        client: Process | None = None
        name = None
        if found is not None and found.client is not None and (found.client.lives() or not command):
            client, name = Found(found.client), found.command
            if command:
                note(f"{name} is still being recorded, so {Path(command[0]).name} is not started")
        elif command:
            client = way.start(command, folder, screenless=True)
            name = Path(command[0]).name
            watch.begin(client, command)
        if client is not None:
            stack.callback(end, client, CLIENT_LIMIT, group=True)
        _write_livefile(way, proxy, client, name, folder)
        underway = Underway(
            way.address,
            way.ca,
            proxy,
            client=client,
            command=name,
            advice=way.advice(),
            watch=watch,
            log=Log(folder.proxy_log, folder.command_log),
            name=way.name,
        )
        yield underway, folder


def _check_abandoned(found: Live, capture: Path) -> None:
    """Say that a recording continues. Raises UsageError where another gwinspect shows it."""
    if found.owner.lives():
        raise UsageError(
            f"another gwinspect (process {found.owner.pid}) is recording into {capture}; "
            f"`gwinspect open {shlex.quote(str(capture))}` shows it too"
        )
    what = "recorder" if found.keys else "proxy"
    note(f"{capture} is still being recorded; reusing its {what}, as it was started")


def _write_livefile(way: Way, proxy: Process, client: Process | None, name: str | None, folder: Folder) -> None:
    """Write down, for a later gwinspect, what continues here."""
    owner, identity = identify(os.getpid()), identify(proxy.pid)
    if owner is None or identity is None:
        return
    going = identify(client.pid) if client is not None and client.poll() is None else None
    word = Live(
        owner,
        identity,
        going,
        name,
        way.address,
        (),
        "",
        str(folder.path),
        tuple(way.hosts),
        recording_of(way.capture),
    )
    try:
        livefile.write(way.capture, way.remembered(word))
    except OSError as error:
        note(f"{livefile.path_of(way.capture)} cannot be written ({error}); a killed screen cannot be restarted")


def _shows(show: Callable[[], None], trail: Trail, *, is_over: bool = False) -> bool:
    """Show the recording, and return whether that went well to its end. A bug in it does not end the recording."""
    try:
        show()
    except OSError:
        # The terminal, or who reads our output, is gone.
        raise
    except Exception as error:
        say_crash(error)
        if is_over:
            note("The recording is complete.")
            return False
        note(
            "The recording continues. Ctrl-C ends it; in another terminal, "
            f"`gwinspect open {shlex.quote(str(trail.path))} --follow` shows it"
        )
        return False
    return True


def _over(underway: Underway, told: UnseenNote) -> bool:
    """Pass on what proxy and command say, and say whether either has ended."""
    told.look()
    _say(underway.log.news())
    state = underway.state()
    return state.proxy is not None or state.client is not None


def _say(lines: Sequence[str]) -> None:
    for line in lines:
        pass_on(line)
