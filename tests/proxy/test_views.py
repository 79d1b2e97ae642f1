"""The addon for mitmproxy's own windows, in mitmproxy's loop beside the recorder."""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path

import pytest
from mitmproxy import command, exceptions
from mitmproxy.addons.view import View
from mitmproxy.flow import Flow
from mitmproxy.http import HTTPFlow
from mitmproxy.test import taddons

from inspector.proxy import views as views_module
from inspector.proxy.recorder import Recorder
from inspector.proxy.views import Views
from tests.conversation import HELLO, Conversation, identify, usual
from tests.proxy.flows import flow_of
from tests.proxy.scribes import in_this_process

pytestmark = pytest.mark.compat


class Watcher:
    """Sees which flows mitmproxy is told of."""

    def __init__(self) -> None:
        self.updated: list[Flow] = []

    def update(self, flows: list[Flow]) -> None:
        self.updated += flows


class House:
    """A mitmproxy with its list of flows, the recorder and the views."""

    def __init__(self, capture: Path) -> None:
        self.recorder, self.views, self.list, self.watcher = Recorder(in_this_process), Views(), View(), Watcher()
        self.context = taddons.context(self.list, self.recorder, self.views, self.watcher)
        self.context.configure(self.recorder, gwinspect_capture=str(capture))

    def passes(self, flow: HTTPFlow) -> HTTPFlow:
        """Let a flow happen."""
        self.list.add([flow])
        assert flow.websocket is not None
        messages, flow.websocket.messages = flow.websocket.messages, []
        self.recorder.websocket_start(flow)
        for message in messages:
            flow.websocket.messages.append(message)
            self.recorder.websocket_message(flow)
        self.recorder.websocket_end(flow)
        return flow

    def run(self, *words: str) -> object:
        return self.context.master.commands.call_strings(words[0], list(words[1:]))


@asynccontextmanager
async def house(folder: Path, *, recording: bool = True) -> AsyncIterator[House]:
    made = House(folder / "bot.gwcap")
    with made.context:
        if recording:
            made.recorder.running()
        try:
            yield made
        finally:
            made.recorder.done()
            made.views.done()


async def until(condition: Callable[[], object]) -> None:
    async with asyncio.timeout(20):
        while not condition():
            await asyncio.sleep(0.01)


async def test_a_flow_that_ended_gets_the_verdict_as_its_comment(tmp_path: Path) -> None:
    async with house(tmp_path) as made:
        flow = made.passes(flow_of(usual()))
        await until(lambda: flow.comment)
        assert flow.comment.startswith("gwinspect: The server closed with 4004 Authentication failed: ")
        assert flow.marked == ":red_circle:"
        assert made.watcher.updated == [flow]


async def test_a_verdict_finds_its_own_flow(tmp_path: Path) -> None:
    async with house(tmp_path) as made:
        fine = made.passes(flow_of(Conversation().opens().server(HELLO).client(identify()).closes(1000)))
        broken = made.passes(flow_of(usual()))
        await until(lambda: broken.comment)
        assert "4004" not in fine.comment


async def test_a_flow_that_was_loaded_into_the_window_gets_it_when_somebody_looks(tmp_path: Path) -> None:
    """mitmproxy's view.flows.load runs no hooks, so the recorder never hears of such flows."""
    async with house(tmp_path) as made:
        flow = flow_of(usual())
        made.list.add([flow])
        made.run("gwinspect.explain", "@all")
        await until(lambda: flow.comment)
        assert "4004" in flow.comment


async def test_the_number_in_the_rows_is_that_of_the_capture(tmp_path: Path) -> None:
    async with house(tmp_path) as made:
        made.passes(flow_of(usual()))
        second = made.passes(flow_of(usual()))
        await until(lambda: second.comment)
        lines = made.run("gwinspect.explain", f"~comment 4004 & ~u {second.request.host}")
        assert isinstance(lines, list)
        assert any(" #2 " in line for line in lines)


async def test_a_verdict_that_spans_connections_is_shown_too(tmp_path: Path) -> None:
    async with house(tmp_path) as made:
        flow = made.passes(flow_of(usual()))
        await until(lambda: flow.comment)
        assert flow.websocket is not None
        lines = made.run("gwinspect.explain", "@all")
        assert isinstance(lines, list)
        cause = flow.comment.removeprefix("gwinspect: ").split(":")[0]
        assert cause in " ".join(" ".join(lines).split())


@pytest.mark.parametrize(
    ("topic", "answer"),
    [
        (("4014",), "4014 Disallowed intent(s)  (close code of the gateway)"),
        (("voice", "4006"), "4006 Session no longer valid  (close code of voice gateways)"),
        (("op", "8"), "8 Request Guild Members  (opcode of the gateway, from client to server)"),
        (("heartbeat-late",), "heartbeat-late  (rule, warn)"),
    ],
)
async def test_what_a_number_or_name_means_can_be_asked(topic: tuple[str, ...], answer: str, tmp_path: Path) -> None:
    async with house(tmp_path, recording=False) as made:
        lines = made.run("gwinspect.explain", *topic)
        assert isinstance(lines, list)
        assert answer in lines
        assert max(map(len, lines)) < 110


@pytest.mark.parametrize(
    ("topic", "answer"),
    [
        ("nothing-of-ours", "gwinspect knows nothing called nothing-of-ours"),
        ("HEARTBEAT_LATE_", "did you mean"),
        ("@focus", "there is no flow @focus"),
    ],
)
async def test_a_question_without_an_answer_says_so(topic: str, answer: str, tmp_path: Path) -> None:
    async with house(tmp_path, recording=False) as made:
        with pytest.raises(exceptions.CommandError, match=answer):
            made.run("gwinspect.explain", topic)


async def test_a_flow_that_is_no_gateways_has_no_account(tmp_path: Path) -> None:
    async with house(tmp_path, recording=False) as made:
        made.list.add([flow_of(Conversation(url="wss://chat.example.org/").opens())])
        with pytest.raises(exceptions.CommandError, match="is not a connection to a Discord gateway"):
            made.run("gwinspect.explain", "@all")


async def test_without_a_screen_open_says_the_command(tmp_path: Path) -> None:
    async with house(tmp_path) as made:
        assert made.run("gwinspect.open") == f"gwinspect open {tmp_path / 'bot.gwcap'} --follow"


async def test_nothing_recorded_is_nothing_to_open(tmp_path: Path) -> None:
    async with house(tmp_path, recording=False) as made:
        with pytest.raises(exceptions.CommandError, match="nothing is being recorded"):
            made.run("gwinspect.open")


async def test_a_long_flow_is_read_piece_by_piece_and_then_drawn_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("inspector.proxy.contentviews.lookup.TURN", 0.0)
    async with house(tmp_path, recording=False) as made:
        flow = flow_of(usual(compression="zlib-stream"))
        made.list.add([flow])
        lines = made.run("gwinspect.explain", "@all")
        assert isinstance(lines, list)
        assert lines[-1].startswith("… the rest of this long connection is being read")
        await until(lambda: flow in made.watcher.updated)


async def test_both_commands_have_help(tmp_path: Path) -> None:
    async with house(tmp_path, recording=False) as made:
        found: dict[str, command.Command] = made.context.master.commands.commands
        assert all(found[name].help for name in ("gwinspect.explain", "gwinspect.open"))


def test_gwinspect_is_run_with_our_own_python_or_as_it_is_installed(monkeypatch: pytest.MonkeyPatch) -> None:
    program = views_module._program()
    assert program is not None
    assert program[0][0].endswith("python") or "python" in program[0][0]
    monkeypatch.setattr("sys.frozen", True, raising=False)
    monkeypatch.setattr("shutil.which", lambda name: f"/opt/{name}")
    assert views_module._program() == (["/opt/gwinspect"], dict(views_module.os.environ))
    monkeypatch.setattr("shutil.which", lambda name: None)
    assert views_module._program() is None
