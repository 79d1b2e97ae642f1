"""For all tests: a bug that gwinspect would say and live with fails the test, in every process that it starts.

How long an example of hypothesis takes is no part of what is tested; machines may be busy.
"""

import os

import pytest
from hypothesis import settings

from inspector.faults import STRICT

os.environ[STRICT] = "1"


@pytest.fixture
def lenient(monkeypatch: pytest.MonkeyPatch) -> None:
    """Guards work as they do for people: for tests of the guards."""
    monkeypatch.delenv(STRICT)


settings.register_profile("gwinspect", deadline=None)
settings.load_profile("gwinspect")
