"""Logs that real libraries wrote, and an archive that discordless' own addon did, beside what the proxy saw of the run.

`record` makes them.
"""

from pathlib import Path

import pytest

from inspector.importers.formats import open_source
from inspector.model import Severity
from tests.importers.logs.comparing import UNTOLD, assert_as_seen
from tests.importers.logs.record import REAL, rows_of, seen
from tests.test_one_road import rows_of as all_rows_of
from tests.test_one_road import write

SUFFIXES = {"discordless": "zip"}


@pytest.mark.parametrize("name", UNTOLD)
def test_each_payload_of_a_real_log_is_one_that_the_proxy_saw(name: str, tmp_path: Path) -> None:
    write(open_source(REAL / f"{name}.{SUFFIXES.get(name, 'log')}"), tmp_path / "log.gwcap")
    assert_as_seen(name, rows_of(tmp_path / "log.gwcap"), seen(name))


@pytest.mark.parametrize("name", UNTOLD)
def test_a_healthy_log_raises_no_alarm(name: str, tmp_path: Path) -> None:
    write(open_source(REAL / f"{name}.{SUFFIXES.get(name, 'log')}"), tmp_path / "log.gwcap")
    rows = all_rows_of(tmp_path / "log.gwcap")
    assert [each for row in rows for each in row["findings"] if each.severity >= Severity.WARN] == []
