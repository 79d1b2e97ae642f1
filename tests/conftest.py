"""For all tests: a bug that gwinspect would say and live with fails the test, in every process that it starts.

How long anything takes is no part of what is tested; machines may be busy. Nothing is left behind.
"""

import atexit
import gc
import os
from pathlib import Path

import pytest
from hypothesis import HealthCheck, settings

from inspector.faults import STRICT
from tests.leftovers import Leftovers

os.environ[STRICT] = "1"

# Python searches for cycles after every 700 new objects, which is a third of the time of collecting the tests and of
# starting a screen. After every 20,000 is often enough.
gc.set_threshold(20_000, 10, 10)
atexit.register(gc.freeze)


def pytest_collection_finish() -> None:
    """Let no search for cycles go through what stays until the end anyway: all that was imported and collected."""
    gc.freeze()


@pytest.fixture
def lenient(monkeypatch: pytest.MonkeyPatch) -> None:
    """Guards work as they do for people: for tests of the guards."""
    monkeypatch.delenv(STRICT)


# The same few examples in every run, so that a landing fails for what it changed; `make thorough` looks for new ones.
settings.register_profile(
    "thorough",
    deadline=None,
    max_examples=300,
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.function_scoped_fixture],
)
settings.register_profile("usual", settings.get_profile("thorough"), max_examples=15, derandomize=True)
settings.load_profile(os.environ.get("HYPOTHESIS_PROFILE", "usual"))


# Marks that few files have.
RARE = {"compat", "e2e", "lowest"}


def pytest_ignore_collect(collection_path: Path, config: pytest.Config) -> bool | None:
    """Leave out files that cannot have a test with the mark that is asked for, which takes a look at their text.

    Importing all the others takes ten seconds in every process.
    """
    # Of an expression such as "compat and not e2e".
    words = config.option.markexpr.split()
    if words and words[0] in RARE and collection_path.name.startswith("test_"):
        text = collection_path.read_text("utf-8")
        return not any(word in text for word in RARE.intersection(words)) or None
    return None


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
