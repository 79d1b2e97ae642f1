"""For all tests: a bug that gwinspect would say and live with fails the test, in every process that it starts.

How long an example of hypothesis takes is no part of what is tested; machines may be busy. Nothing is left behind.
"""

import os

import pytest
from hypothesis import settings

from inspector.faults import STRICT
from tests.leftovers import Leftovers

os.environ[STRICT] = "1"


@pytest.fixture
def lenient(monkeypatch: pytest.MonkeyPatch) -> None:
    """Guards work as they do for people: for tests of the guards."""
    monkeypatch.delenv(STRICT)


settings.register_profile("gwinspect", deadline=None)
settings.load_profile("gwinspect")

_LEFTOVERS = pytest.StashKey[Leftovers]()


def pytest_configure(config: pytest.Config) -> None:
    if "PYTEST_XDIST_WORKER" not in os.environ:
        config.stash[_LEFTOVERS] = Leftovers()


@pytest.hookimpl(trylast=True)
def pytest_sessionfinish(session: pytest.Session) -> None:
    """Fail a run that leaves processes or files behind. pytest's workers have ended by now."""
    leftovers = session.config.stash.get(_LEFTOVERS, None)
    found = leftovers.found() if leftovers is not None else []
    if found:
        reporter = session.config.pluginmanager.get_plugin("terminalreporter")
        for line in ("", "The tests left behind:", *found):
            reporter.write_line(line, red=True)
        session.exitstatus = pytest.ExitCode.TESTS_FAILED
