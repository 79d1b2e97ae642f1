"""Unmodified clients are seen: a few of them here. ``make clients`` tries all, and writes ``docs/clients.md``."""

from collections.abc import Iterator

import pytest

from tests.e2e.clients import table
from tests.e2e.clients.places import Missing
from tests.e2e.clients.proving import Served, served
from tests.e2e.clients.setups import SETUPS, SMALL, Setup
from tests.e2e.clients.trying import attempt


@pytest.fixture(scope="module")
def discord(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    with served(tmp_path_factory.mktemp("discord")) as discord:
        yield discord


@pytest.mark.e2e
@pytest.mark.parametrize("setup", SMALL, ids=lambda setup: setup.id)
def test_an_unmodified_client_is_seen(setup: Setup, discord: Served) -> None:
    try:
        trial = attempt(setup, discord)
    except Missing as reason:
        pytest.skip(str(reason))
    assert trial.outcome.seen, trial.outcome.said
    assert trial.is_as_expected, trial.way


def test_each_setup_has_a_row_in_the_table() -> None:
    rows = table.existing()
    assert [setup.id for setup in SETUPS if setup.id not in rows] == []
    assert table.PATH.read_text("utf-8") == table.HEAD + "\n".join(rows.values()) + "\n"


def test_each_setup_has_a_name_of_its_own() -> None:
    assert len({setup.id for setup in SETUPS}) == len({table.title(setup) for setup in SETUPS}) == len(SETUPS)
