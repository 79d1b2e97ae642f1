"""Tries a setup: installs it, runs it, and says what came of it."""

import tempfile
from dataclasses import dataclass
from pathlib import Path

from inspector.simulator.content import TOKEN
from tests.e2e.clients.places import Place, installed
from tests.e2e.clients.proving import Outcome, Served, prove
from tests.e2e.clients.setups import Setup


@dataclass(frozen=True, slots=True)
class Trial:
    """What came of one setup."""

    setup: Setup
    runtime: str
    """Name and version: ``Python 3.11.7``."""
    outcome: Outcome

    @property
    def way(self) -> str:
        """How it got in, as `Way` names it: ``none`` where it did not."""
        way = self.outcome.way
        return "proxychains" if way == "environment" and self.setup.way == "proxychains" else way or "none"

    @property
    def is_as_expected(self) -> bool:
        return self.way == self.setup.way


def attempt(setup: Setup, served: Served) -> Trial:
    """Try a setup. Raises `places.Missing` where it cannot be installed here.

    One that is not seen has a second try: the client of ``websockets.sync`` hangs in one of a hundred handshakes,
    without a proxy too (13 of 1,200 on Python 3.11, as its two threads use one TLS connection at once).
    """
    place = installed(setup)
    for tries_left in (1, 0):
        with tempfile.TemporaryDirectory(prefix="client-") as folder:
            trial = Trial(setup, place.runtime, _proved(setup, place, served, Path(folder)))
        if trial.outcome.seen or setup.way == "none" or not tries_left:
            break
    return trial


def _proved(setup: Setup, place: Place, served: Served, folder: Path) -> Outcome:
    command = [*place.command, TOKEN, *setup.arguments]
    options: list[str] = []
    if setup.way == "proxychains":
        options = ["--through", "proxychains"]
    return prove(command, served, folder, place=place.folder, options=options, environment=place.environment)
