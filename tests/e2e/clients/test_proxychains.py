"""Clients that no hook reaches are seen through proxychains."""

import shutil
import sys
from pathlib import Path

import pytest

from inspector.simulator.content import TOKEN
from tests.e2e.clients.places import BOTS, Missing, installed
from tests.e2e.clients.proving import prove, served
from tests.e2e.clients.setups import SMALL

pytestmark = [
    pytest.mark.e2e,
    pytest.mark.skipif(shutil.which("proxychains4") is None, reason="there is no proxychains4"),
]


@pytest.mark.parametrize("client", ["python -I", "node"])
def test_a_client_without_a_hook_is_seen(client: str, tmp_path: Path) -> None:
    if client == "node":
        try:
            place = installed(next(setup for setup in SMALL if setup.kind == "node"))
        except Missing as reason:
            pytest.skip(str(reason))
        command = ["env", "-u", "NODE_OPTIONS", *place.command]
    else:
        command = [sys.executable, "-I", str(BOTS / "discord_bot.py")]
    with served(tmp_path) as discord:
        outcome = prove(
            [*command, TOKEN],
            discord,
            tmp_path,
            place=place.folder if client == "node" else None,
            options=["--through", "proxychains"],
        )
    assert outcome.seen, outcome.said
    assert outcome.reports == []
