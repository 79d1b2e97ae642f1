"""The addon for those who sit before mitmproxy's own windows: its content view, comments, markers and commands.

`Recorder` does without it. What it needs of the rest of gwinspect is imported when somebody looks, as mitmproxy should
start no slower for it.
"""

import asyncio
import importlib.util
import os
import shutil
import sys
from collections.abc import Callable, Iterable, Sequence
from contextlib import suppress
from functools import partial
from importlib.resources import files
from pathlib import Path
from weakref import WeakSet

from mitmproxy import command, ctx, exceptions, flow, http
from mitmproxy.addonmanager import Loader
from mitmproxy.hooks import UpdateHook

from inspector.inert import inert
from inspector.model import Event
from inspector.protocol.registry import default
from inspector.proxy.contentviews import register
from inspector.proxy.contentviews.lookup import SLICE, Transcripts
from inspector.proxy.eventlog import log
from inspector.proxy.recorder import Recorder
from inspector.proxy.remarks import remark

# Columns of what a command prints: mitmproxy's console gives it four fifths of the screen, and does not wrap.
_COLUMNS = 76
# Seconds that the timeline has to end when mitmproxy does.
_FAREWELL = 5.0


class Views:
    """Shows in mitmproxy what gwinspect knows."""

    def __init__(self) -> None:
        self._transcripts: Transcripts | None = None
        self._withdraw: Callable[[], None] = lambda: None
        self._viewer: asyncio.Task[None] | None = None
        self._reading: WeakSet[http.HTTPFlow] = WeakSet()

    def load(self, loader: Loader) -> None:
        """Offer the view and the commands."""
        self._transcripts = Transcripts(
            default(), hosts=_hosts, number=_number, ended=self._read_to_the_end, soon=_soon, later=self._read_later
        )
        self._withdraw = register(self._transcripts)
        has_screen = hasattr(ctx.master, "uistopped")
        loader.add_command("gwinspect.open", self.open_here if has_screen else self.open_elsewhere)

    def done(self) -> None:
        """Withdraw the view."""
        self._withdraw()

    def gwinspect_closed(self, flow: http.HTTPFlow, close: Event) -> None:
        """Take over the verdict of the recorder, which knows all connections."""
        assert self._transcripts is not None
        self._transcripts.learn(flow, close)
        _remark(flow, close)

    @command.command("gwinspect.explain")  # type: ignore[untyped-decorator]
    def explain(self, *topic: str) -> Sequence[str]:
        """
        Say what a flow's gateway connection came to, or what a number or name means: @focus, 4014, voice 4006, op 8,
        MESSAGE_CREATE, heartbeat-late. Without a topic: the flow in focus.
        """
        assert self._transcripts is not None
        words = " ".join(topic) or "@focus"
        if words.startswith(("@", "~")):
            lines = [line for each in _flows(words) for line in self._transcripts.account(each)]
            if not lines:
                raise exceptions.CommandError(f"{words} is not a connection to a Discord gateway")
            return lines
        return _explanation(words)

    def open_here(self) -> None:
        """Show the recording in gwinspect's timeline. Traffic continues meanwhile; q comes back."""
        if self._viewer is None or self._viewer.done():
            self._viewer = asyncio.get_running_loop().create_task(self._view(_capture()))

    def open_elsewhere(self) -> str:
        """Say with which command the recording is shown in gwinspect's timeline."""
        return f"gwinspect open {_capture()} --follow"

    async def _view(self, capture: Path) -> None:
        """Give the screen to gwinspect's timeline until it ends.

        mitmproxy's own way to run an editor stops the loop, and with it the traffic: a bot would miss its heartbeats.
        """
        program = _program()
        if program is None:
            log.error("gwinspect: gwinspect is not installed here to open it; the recording is %s", capture)
            return
        words, environment = program
        words += ["open", str(capture), "--follow"]
        loop = ctx.master.loop
        # Not `uistopped`: mitmproxy does not end well while its whole loop is stopped, and the capture is not finished.
        loop.screen.stop()
        loop.screen.unhook_event_loop(loop.event_loop)
        timeline = None
        try:
            timeline = await asyncio.create_subprocess_exec(*words, env=environment)
            code = await timeline.wait()
        except asyncio.CancelledError:
            # mitmproxy has ended, and the screen is no longer ours to give back.
            if timeline is not None:
                timeline.terminate()
                # Anyone who writes to the terminal next would write on a screen that is about to go.
                with suppress(TimeoutError):
                    await asyncio.wait_for(timeline.wait(), _FAREWELL)
            raise
        except OSError as error:
            code = 127
            log.error("gwinspect: %s cannot be run: %s", words[0], error)
        loop.screen.start()
        loop.screen_size = None
        loop.draw_screen()
        if code:
            log.error("gwinspect: the timeline ended with exit code %d; the recording is %s", code, capture)

    def _read_to_the_end(self, flow: http.HTTPFlow, close: Event) -> None:
        """Remark on a flow that no one recorded: it was loaded into the window from a file."""
        if _number(flow) is None:
            # Not at once: we are being asked for a message, and the change makes mitmproxy draw again.
            _soon(partial(_remark, flow, close))

    def _read_later(self, flow: http.HTTPFlow) -> None:
        """Read a long flow piece by piece, and have it drawn again once all of it is read."""
        if flow not in self._reading:
            self._reading.add(flow)
            asyncio.get_running_loop().call_soon(self._read_on, flow)

    def _read_on(self, flow: http.HTTPFlow) -> None:
        assert self._transcripts is not None
        if self._transcripts.read_on(flow):
            asyncio.get_running_loop().call_later(SLICE, self._read_on, flow)
        else:
            self._reading.discard(flow)
            ctx.master.addons.trigger(UpdateHook([flow]))


def _soon(action: Callable[[], None]) -> bool:
    """Have something done once mitmproxy's loop has turned, and say whether there is a loop."""
    with suppress(RuntimeError):
        asyncio.get_running_loop().call_soon(action)
        return True
    return False


def _remark(flow: http.HTTPFlow, close: Event) -> None:
    if remark(flow, close):
        ctx.master.addons.trigger(UpdateHook([flow]))


def _recorder() -> Recorder | None:
    found = ctx.master.addons.get("recorder")
    return found if isinstance(found, Recorder) else None


def _number(flow: http.HTTPFlow) -> int | None:
    recorder = _recorder()
    return None if recorder is None else recorder.flows.number(flow)


def _hosts() -> Iterable[str]:
    hosts: Iterable[str] = ctx.options.gwinspect_hosts if "gwinspect_hosts" in ctx.options else ()
    return hosts


def _flows(words: str) -> Sequence[flow.Flow]:
    found: Sequence[flow.Flow] = ctx.master.commands.call("view.flows.resolve", words)
    if not found:
        raise exceptions.CommandError(f"there is no flow {words}")
    return found


def _explanation(words: str) -> list[str]:
    from inspector.report.explain import explain, render, suggest

    found = explain(words, default())
    if found is None:
        guesses = suggest(words, default())
        also = f"; did you mean {', '.join(guesses)}?" if guesses else ""
        raise exceptions.CommandError(inert(f"gwinspect knows nothing called {words}{also}"))
    return [inert(line) for line in render(found, _COLUMNS).split("\n")]


def _capture() -> Path:
    recorder = _recorder()
    if recorder is None or recorder.capture is None:
        raise exceptions.CommandError("nothing is being recorded, so there is nothing to open")
    return recorder.capture.absolute()


def _program() -> tuple[list[str], dict[str, str]] | None:
    """Return how to run gwinspect, and in which environment: with our own Python where that has all it takes."""
    if not getattr(sys, "frozen", False) and all(map(importlib.util.find_spec, ("click", "textual"))):
        ours = str(Path(str(files("inspector"))).parent)
        paths = os.pathsep.join(filter(None, (ours, os.environ.get("PYTHONPATH"))))
        script = "from inspector.cli.main import main; main()"
        return [sys.executable, "-c", script], {**os.environ, "PYTHONPATH": paths}
    found = shutil.which("gwinspect")
    return None if found is None else ([found], dict(os.environ))
