"""Each way to close, once straight and once through a real mitmdump: both ends see the same, and the row is true."""

import asyncio
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import pytest

from inspector.model import Closed, Mark, Opened
from inspector.proxy.mitmdump import Proxy, Settings, free_port
from inspector.store.reader import Reader, stored_happenings
from tests.e2e.closing import (
    HALF,
    HANG_UP,
    PART,
    RESET,
    Case,
    View,
    attend,
    straight,
    theatre,
    through,
    to,
    trusting,
)

pytestmark = pytest.mark.e2e

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


class Played(NamedTuple):
    """The whole table, played."""

    views: dict[str, tuple[View, View]]
    """What client and server saw straight."""
    proxied: dict[str, tuple[View, View]]
    """And through the proxy."""
    reversed: dict[str, tuple[View, View]]
    """And through one in reverse mode."""
    closes: dict[str, Closed]
    """What was recorded, by case and round."""


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
            options={"confdir": str(folder / "mitmproxy"), "ssl_verify_upstream_trusted_ca": str(ca)},
            log=folder / "proxy.log",
        )
        own = trusting(house.authority.cert_pem.bytes())
        views = {name: await attend(house, case, "straight", straight(house, own)) for name, case in CASES.items()}
        views |= {name: await attend(clear, case, "straight", straight(clear, None)) for name, case in PLAIN.items()}
        proxy = Proxy(settings)
        await asyncio.to_thread(proxy.__enter__)
        try:
            theirs = trusting(proxy.ca_path.read_bytes())
            proxied = {}
            for name, case in CASES.items():
                proxied[name] = await attend(house, case, "proxied", through(settings.port, house, theirs))
            for name, case in PLAIN.items():
                proxied[name] = await attend(clear, case, "proxied", through(settings.port, clear, None))
            turned_round = {
                name: await attend(house, CASES[name], "reversed", to(turned, theirs))
                for name in CASES
                if name.endswith(("-4000", "-fin", "-rst", "-without-code", "-forbidden-999"))
            }
        finally:
            await asyncio.to_thread(proxy.__exit__, None, None, None)
    return Played(views, proxied, turned_round, _closes(capture))


def _closes(capture: Path) -> dict[str, Closed]:
    reader = Reader(capture)
    happenings = [each for batch in stored_happenings(reader.db) for each in batch]
    reader.close()
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


def _truth(case: Case) -> tuple[int, str, str, Mark]:
    if case.body is None:
        return 1006, "", case.by, Mark.NONE
    if not case.body:
        return 1005, "", case.by, Mark.NONE
    mark = Mark.FORBIDDEN if "forbidden" in case.name else Mark.NONE
    return int.from_bytes(case.body[:2]), case.body[2:].decode(errors="replace"), case.by, mark
