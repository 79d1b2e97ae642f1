from pathlib import Path

import pytest
from textual.app import App, ComposeResult

from inspector.tui.live_proxy import Advice, LiveProxy, ProxyState
from inspector.tui.look import ASCII, UNICODE, Glyphs
from inspector.tui.widgets.timeline.waiting import LOG_LINES, Waiting

HOSTILE = "saw \x1b[31m[bold]x[/bold] [@click=app.quit]y[/] \u202eeman\r\n"


class Proxy:
    name = "proxy"
    address = "127.0.0.1:8080"

    def __init__(self, state: ProxyState | None = None, **more: object) -> None:
        self.ca: Path | None = Path("/home/ada/.mitmproxy/mitmproxy-ca-cert.pem")
        self.command: str | None = None
        self.now = state or ProxyState()
        self.ways = [Advice("any command", "gwinspect run -- python bot.py"), Advice("a browser", "127.0.0.1:8080")]
        for name, value in more.items():
            setattr(self, name, value)

    def advice(self) -> list[Advice]:
        return self.ways

    def state(self) -> ProxyState:
        return self.now


class Bench(App[None]):
    def __init__(self, marks: Glyphs = UNICODE) -> None:
        super().__init__()
        self.waiting = Waiting(marks)

    def compose(self) -> ComposeResult:
        yield self.waiting

    @property
    def lines(self) -> list[str]:
        return [
            "".join(segment.text for segment in strip).rstrip() for strip in self.screen._compositor.render_strips()
        ]


async def told(
    source: LiveProxy | None, *, growing: bool = True, filtered: bool = False, marks: Glyphs = UNICODE
) -> list[str]:
    app = Bench(marks)
    async with app.run_test(size=(100, 40)) as pilot:
        app.waiting.tell(source, growing=growing, filtered=filtered)
        await pilot.pause()
        return [line.strip() for line in app.lines if line.strip()]


async def test_how_to_reach_the_proxy_is_said() -> None:
    lines = await told(Proxy())
    assert lines[:2] == [
        "No connection yet. The proxy listens on 127.0.0.1:8080.",
        "Clients must trust its certificate: /home/ada/.mitmproxy/mitmproxy-ca-cert.pem",
    ]
    assert "any command   gwinspect run -- python bot.py" in lines
    assert "a browser     127.0.0.1:8080" in lines


async def test_a_recorder_of_packets_has_no_address_to_point_at() -> None:
    lines = await told(Proxy(name="recorder", address="any", ca=None))
    assert lines[:2] == ["No connection yet. Packets are recorded on any.", "Start a client:"]


async def test_without_a_certificate_or_advice_nothing_is_said_of_them() -> None:
    text = "\n".join(await told(Proxy(ca=None, ways=[])))
    assert "certificate" not in text
    assert "Point" not in text


async def test_a_command_that_runs_is_named() -> None:
    lines = await told(Proxy(ProxyState(client_running=True), command="python bot.py"))
    assert "python bot.py is running." in lines


async def test_a_command_that_ended_is_told_with_how() -> None:
    lines = await told(Proxy(ProxyState(client=3), command="python bot.py"))
    assert any(line.startswith("python bot.py ended") and "3" in line for line in lines)


async def test_the_end_of_what_was_said_is_shown() -> None:
    lines = await told(Proxy(ProxyState(log=tuple(f"line {number}" for number in range(100)))))
    assert [line for line in lines if line.startswith("line ")] == [f"line {n}" for n in range(100 - LOG_LINES, 100)]


async def test_hostile_lines_are_inert() -> None:
    """A host's name is in them, which anyone can choose."""
    lines = await told(Proxy(ProxyState(log=(HOSTILE, "next"), client_running=True), command=HOSTILE))
    written = "saw \\x1b[31m[bold]x[/bold] [@click=app.quit]y[/] \\u202eeman\\r\\n"
    assert written in lines
    assert f"{written} is running." in lines
    assert lines[-1] == "next"


@pytest.mark.parametrize(
    ("source", "growing", "filtered", "said"),
    [
        (None, False, False, "This capture has no rows."),
        (None, True, False, "No rows yet."),
        (None, True, True, "No row matches the filter."),
        (Proxy(), True, True, "No row matches the filter."),
    ],
)
async def test_why_there_is_no_row_is_said(source: LiveProxy | None, growing: bool, filtered: bool, said: str) -> None:
    assert (await told(source, growing=growing, filtered=filtered))[0] == said


async def test_what_is_said_changes_as_it_goes_on() -> None:
    app, proxy = Bench(), Proxy()
    async with app.run_test(size=(100, 40)) as pilot:
        for now in (ProxyState(), ProxyState(log=("a client refused our certificate",))):
            proxy.now = now
            app.waiting.tell(proxy, growing=True, filtered=False)
            await pilot.pause()
            assert ("refused our certificate" in "\n".join(app.lines)) is bool(now.log)


async def test_without_unicode_all_is_ascii() -> None:
    lines = await told(Proxy(ProxyState(log=("größer → kleiner",))), marks=ASCII)
    assert all(line.isascii() for line in lines)
    assert lines[-1] == "gr\\xf6\\xdfer > kleiner"
