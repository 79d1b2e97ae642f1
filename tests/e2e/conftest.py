import pytest

from tests.e2e.playing import ROOT


@pytest.fixture(autouse=True, scope="session")
def _inspector_is_found_by_every_process() -> None:
    """Clients and proxies are started from folders of their own."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("PYTHONPATH", str(ROOT))
        yield
