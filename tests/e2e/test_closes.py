"""Each way to close, once straight and once through a real mitmdump: both ends see the same, and the row is true."""

import asyncio
import ssl
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import aiohttp
import pytest
from mitmproxy.options import Options

from inspector.importers.mitm import FlowFile
from inspector.model import Closed, Happening, Mark, Opened
from inspector.proxy.mitmdump import Proxy, Settings, free_port
from inspector.store.reader import Reader, stored_happenings
from tests.e2e.closing import (
    BAD,
    HALF,
    HANG_UP,
    PART,
    RESET,
    Case,
    View,
    attend,
    theatre,
    through,
    to,
    trusting,
)
from tests.e2e.playing import play, talks_of_capture

pytestmark = [pytest.mark.compat, pytest.mark.e2e]

SIDES = ("client", "server")
DEFLATE = "permessage-deflate; client_no_context_takeover; server_no_context_takeover"
# 123 bytes, all that has room.
LONGEST = "é" * 61 + "!"

CODES = [1000, 1001, 1002, 1003, 1007, 1008, 1009, 1010, 1011, 1012, 1013, 1014, 3000, 4000, 4004, 4009, 4014, 4999]
FORBIDDEN = [0, 1, 999, 1004, 1005, 1006, 1015, 1016, 2999, 5000, 65535]


def _frame(code: int, reason: str = "") -> bytes:
    return code.to_bytes(2) + reason.encode()


def _cases() -> Iterator[Case]:
    for by in SIDES:
        for code in CODES:
            yield Case(f"{by}-{code}", by, _frame(code, "so it is" if code % 2 else ""))
        for code in FORBIDDEN:
            yield Case(f"{by}-forbidden-{code}", by, _frame(code, "no such code"))
        yield Case(f"{by}-without-code", by, b"", answer=_frame(1000))
        yield Case(f"{by}-longest-reason", by, _frame(4000, LONGEST))
        yield Case(f"{by}-reason-not-utf8", by, _frame(4000) + b"\xff\xfe\xc3")
        yield Case(f"{by}-other-answer", by, _frame(4000), answer=_frame(1000, "bye"))
        yield Case(f"{by}-no-answer", by, _frame(4000), answer=None)
        yield Case(f"{by}-messages-on-their-way", by, _frame(4000), late=50)
        yield Case(f"{by}-messages-and-no-answer", by, _frame(4000), answer=None, late=3)
        yield Case(f"{by}-closes-and-hangs-up", by, _frame(4001, "gone"), HANG_UP)
        yield Case(f"{by}-fin", by, None, HANG_UP)
        yield Case(f"{by}-rst", by, None, RESET)
        yield Case(f"{by}-breaks-off-in-a-message", by, None, PART)
        yield Case(f"{by}-deflate", by, _frame(4009, "Session timed out"), extensions=DEFLATE)
        yield Case(f"{by}-deflate-fin", by, None, HANG_UP, extensions=DEFLATE)


CASES = {case.name: case for case in _cases()}
# In the clear a socket can be half closed.
PLAIN = {
    case.name: case
    for by in SIDES
    for case in (
        Case(f"{by}-plain-4000", by, _frame(4000, "plain")),
        Case(f"{by}-plain-without-code", by, b""),
        Case(f"{by}-plain-fin", by, None, HANG_UP),
        Case(f"{by}-plain-rst", by, None, RESET),
        Case(f"{by}-plain-closes-and-listens", by, _frame(4001), HALF, late=2),
        Case(f"{by}-plain-fin-and-listens", by, None, HALF),
    )
}


# What aiohttp makes of what the server does.
BREAKS = {"server-fin": 1006, "server-rst": 1006, "server-4009": 4009, "server-breaks-off-in-a-message": 1006}


class Played(NamedTuple):
    """The whole table, played."""

    views: dict[str, tuple[View, View]]
    """What client and server saw straight."""
    proxied: dict[str, tuple[View, View]]
    """And through the proxy."""
    reversed: dict[str, tuple[View, View]]
    """And through one in reverse mode."""
    closes: dict[str, Closed]
    """What was recorded, by round and case."""
    imported: dict[str, Closed]
    """What mitmproxy's own file of the same says."""
    by_aiohttp: dict[str, list[int | None]]
    """The codes that aiohttp's client had for closes of the server, straight and through the proxy."""


@pytest.fixture(scope="module")
def played(tmp_path_factory: pytest.TempPathFactory) -> Played:
    return asyncio.run(_play(tmp_path_factory.mktemp("closes")))


async def _play(folder: Path) -> Played:
    capture = folder / "closes.gwcap"
    async with theatre(CASES) as house, theatre(PLAIN, tls=False) as clear:
        ca = folder / "ca.pem"
        house.authority.cert_pem.write_to_path(str(ca))
        turned = free_port("127.0.0.1")
        settings = Settings(
            capture,
            port=free_port("127.0.0.1"),
            modes=("regular", f"reverse:https://localhost:{house.port}@{turned}"),
            hosts=(f"localhost:{house.port}", f"localhost:{clear.port}", f"127.0.0.1:{turned}"),
            options=_options(folder, ca),
            # The cases are named in the URLs.
            keep_secrets=True,
            log=folder / "proxy.log",
        )
        own = trusting(house.authority.cert_pem.bytes())
        views = {name: await attend(house, case, "straight", to(house.port, own)) for name, case in CASES.items()}
        views |= {name: await attend(clear, case, "straight", to(clear.port, None)) for name, case in PLAIN.items()}
        by_aiohttp = {name: [await _close_code(f"{house.url}/?case={name}&round=aiohttp", own)] for name in BREAKS}
        proxy = Proxy(settings)
        await asyncio.to_thread(proxy.__enter__)
        try:
            theirs = trusting(proxy.ca_path.read_bytes())
            proxied = {}
            for name, case in CASES.items():
                proxied[name] = await attend(house, case, "proxied", through(settings.port, house, theirs))
            for name, case in PLAIN.items():
                proxied[name] = await attend(clear, case, "proxied", through(settings.port, clear, None))
            for name, codes in by_aiohttp.items():
                url = f"{house.url}/?case={name}&round=aiohttp-proxied"
                codes.append(await _close_code(url, theirs, f"http://{settings.address}"))
            turned_round = {
                name: await attend(house, CASES[name], "reversed", to(turned, theirs))
                for name in CASES
                if name.endswith(("-4000", "-fin", "-rst", "-without-code", "-forbidden-999"))
            }
        finally:
            await asyncio.to_thread(proxy.__exit__, None, None, None)
    return Played(views, proxied, turned_round, _recorded(capture), _imported(folder, settings), by_aiohttp)


async def _close_code(url: str, context: ssl.SSLContext, proxy: str | None = None) -> int | None:
    """Return the code that aiohttp has for the end of a connection."""
    async with aiohttp.ClientSession() as session, session.ws_connect(url, ssl=context, proxy=proxy) as client:
        await client.send_str("hello")
        async for _ in client:
            pass
        return client.close_code


def _options(folder: Path, ca: Path, **more: str) -> dict[str, str]:
    return {
        "confdir": str(folder / "mitmproxy"),
        "ssl_verify_upstream_trusted_ca": str(ca),
        "save_stream_file": str(folder / "flows.mitm"),
        **more,
    }


def _recorded(capture: Path) -> dict[str, Closed]:
    reader = Reader(capture)
    happenings = [each for batch in stored_happenings(reader.db) for each in batch]
    reader.close()
    return _closes(happenings)


def _imported(folder: Path, settings: Settings) -> dict[str, Closed]:
    return _closes(list(FlowFile(folder / "flows.mitm", settings.hosts)))


def _closes(happenings: list[Happening]) -> dict[str, Closed]:
    names = {each.connection: each.url.partition("case=")[2] for each in happenings if isinstance(each, Opened)}
    closes = {}
    for each in happenings:
        if isinstance(each, Closed):
            name, _, part = names[each.connection].partition("&round=")
            closes[f"{part} {name}"] = each
    return closes


def test_both_ends_see_what_they_would_see_without_a_proxy(played: Played) -> None:
    assert len(played.views) > 57
    assert {name: view for name, view in played.proxied.items() if view != played.views[name]} == {}


def test_so_they_do_in_reverse_mode(played: Played) -> None:
    assert played.reversed
    assert {name: view for name, view in played.reversed.items() if view != played.views[name]} == {}


def test_each_close_is_recorded_as_it_was_sent(played: Played) -> None:
    wrong = {}
    for name, case in (CASES | PLAIN).items():
        closed = played.closes[f"proxied {name}"]
        if (closed.code, closed.reason, closed.by, closed.marks) != _truth(case):
            wrong[name] = closed
    assert wrong == {}


def test_a_real_client_has_the_same_code_for_a_close_with_and_without_the_proxy(played: Played) -> None:
    assert played.by_aiohttp == {name: [code, code] for name, code in BREAKS.items()}


def test_discord_py_resumes_after_the_server_broke_off(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SEEN", str(tmp_path / "seen.jsonl"))
    first, second = talks_of_capture(play("resume", tmp_path, "discord.py").capture)
    assert first.close == (1006, "", "server")
    assert {6} <= {op for op, *_ in second.payloads[True]} <= {1, 6}


def test_mitmproxys_own_file_says_the_same_of_each_close(played: Played) -> None:
    def said(closes: dict[str, Closed]) -> dict[str, tuple[object, ...]]:
        return {name: (each.code, each.reason, each.by, each.marks) for name, each in closes.items()}

    assert said(played.imported) == said(played.closes)


LEFT_ALONE = {
    case.name: case
    for by in SIDES
    for case in (
        Case(f"{by}-4000", by, _frame(4000, "kept")),
        Case(f"{by}-without-code", by, b""),
        Case(f"{by}-fin", by, None, HANG_UP),
        Case(f"{by}-rst", by, None, RESET),
        Case(f"{by}-bad-frame", by, None, BAD),
    )
}


async def test_closes_that_are_left_to_mitmproxy_say_what_the_other_end_was_told(tmp_path: Path) -> None:
    views, recorded, imported = await _proxied(LEFT_ALONE, tmp_path, gwinspect_closes="false")
    for name, case in LEFT_ALONE.items():
        closed = recorded[f"proxied {name}"]
        other = views[name][1 if case.by == "client" else 0]
        if name.endswith("-bad-frame"):
            assert (closed.code, closed.by, closed.told, other.close[:2]) == (1002, "proxy", None, _frame(1002))
            assert closed.reason == f"the {case.by} sent a bad frame: Invalid opcode 0x3"
        elif case.body is not None:
            code, reason = (4000, "kept") if case.body else (1005, "")
            assert (closed.code, closed.reason, closed.by, closed.told) == (code, reason, case.by, None)
            assert other.close == case.body
        else:
            assert (closed.by, other.close) == (case.by, _frame(1000))
            assert closed.told == ("server" if case.by == "client" else "client")
    assert {name: (c.code, c.reason, c.by, c.marks) for name, c in imported.items()} == {
        name: (c.code, c.reason, c.by, c.marks) for name, c in recorded.items()
    }


GIVEN_UP = {
    case.name: case
    for case in (
        Case("client-bad-frame", "client", None, BAD),
        Case("server-bad-frame", "server", None, BAD),
        # Nobody ever closes: mitmproxy does.
        Case("client-idle", "client", None),
    )
}


async def test_what_mitmproxy_ends_itself_is_by_the_proxy(tmp_path: Path) -> None:
    views, recorded, imported = await _proxied(GIVEN_UP, tmp_path, idle=2)
    for side in SIDES:
        closed = recorded[f"proxied {side}-bad-frame"]
        assert (closed.code, closed.by) == (1002, "proxy")
        assert closed.reason == f"the {side} sent a bad frame: Invalid opcode 0x3"
        assert [view.close[:2] for view in views[f"{side}-bad-frame"]] == [_frame(1002)] * 2
    closed = recorded["proxied client-idle"]
    assert (closed.code, closed.by, closed.told) == (1006, "proxy", None)
    assert closed.reason == "no traffic for 2 s, so mitmproxy closed the connection"
    assert [view.close for view in views["client-idle"]] == [None, None]
    assert {name: (c.code, c.reason, c.by, c.marks) for name, c in imported.items()} == {
        name: (c.code, c.reason, c.by, c.marks) for name, c in recorded.items()
    }


async def _proxied(
    cases: dict[str, Case], folder: Path, *, idle: int = 0, **options: str
) -> tuple[dict[str, tuple[View, View]], dict[str, Closed], dict[str, Closed]]:
    """Play cases through a proxy. Return what both ends saw, what was recorded, and what mitmproxy's own file says."""
    scripts = []
    if idle and "tcp_timeout" in Options():
        options["tcp_timeout"] = str(idle)
    elif idle:
        scripts.append(folder / "idle.py")
        scripts[0].write_text(f"from mitmproxy.proxy import server\nserver.TCP_TIMEOUT = {idle}\n", "utf-8")
    async with theatre(cases, tls=False) as house:
        settings = Settings(
            folder / "closes.gwcap",
            port=free_port("127.0.0.1"),
            hosts=(f"localhost:{house.port}",),
            scripts=scripts,
            options=_options(folder, folder / "none.pem", **options) | {"ssl_verify_upstream_trusted_ca": ""},
            keep_secrets=True,
            log=folder / "proxy.log",
        )
        proxy = Proxy(settings)
        await asyncio.to_thread(proxy.__enter__)
        try:
            way = through(settings.port, house, None)
            views = {name: await attend(house, case, "proxied", way) for name, case in cases.items()}
        finally:
            await asyncio.to_thread(proxy.__exit__, None, None, None)
    return views, _recorded(settings.capture), _imported(folder, settings)


def _truth(case: Case) -> tuple[int, str, str, Mark]:
    if case.body is None:
        return 1006, "", case.by, Mark.NONE
    if not case.body:
        return 1005, "", case.by, Mark.NONE
    mark = Mark.FORBIDDEN if "forbidden" in case.name else Mark.NONE
    return int.from_bytes(case.body[:2]), case.body[2:].decode(errors="replace"), case.by, mark
