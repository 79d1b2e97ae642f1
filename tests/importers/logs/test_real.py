"""Logs that real libraries wrote, and an archive that discordless' own addon did, beside what the proxy saw of the run.

`record` makes them.
"""

from pathlib import Path

import pytest

from inspector.importers.formats import open_source
from inspector.model import Severity
from tests.importers.logs.record import REAL, Row, rows_of, seen
from tests.test_one_road import rows_of as all_rows_of
from tests.test_one_road import write

HEARTBEAT, IDENTIFY, PRESENCE, RESUME = 1, 2, 3, 6
# What each does not tell of what its client sends.
UNTOLD = {
    # It asks for members, and its first heartbeat is not logged.
    "discordpy": {HEARTBEAT, IDENTIFY, RESUME, 8},
    "discordpy-ms": {HEARTBEAT, IDENTIFY, RESUME, 8},
    # It sends the regular heartbeats past its raw events.
    "discordpy-raw": {HEARTBEAT},
    "hikari": set[int](),
    "discordjs": {HEARTBEAT, IDENTIFY, PRESENCE, RESUME},
    "eris": set[int](),
    "oceanic": set[int](),
    "discordless": {HEARTBEAT, IDENTIFY, PRESENCE, RESUME},
}
# And of what servers say some only pass on events.
ONLY_EVENTS = {"discordjs", "oceanic"}
SUFFIXES = {"discordless": "zip"}


@pytest.mark.parametrize("name", UNTOLD)
def test_each_payload_of_a_real_log_is_one_that_the_proxy_saw(name: str, tmp_path: Path) -> None:
    def told(rows: list[Row], connection: int, *, from_client: bool) -> list[tuple[object, ...]]:
        own = [row for row in rows if row[0] == connection and row[1] is from_client]
        if not from_client:
            return [row[2:] for row in own if row[3] is not None or name not in ONLY_EVENTS]
        return [row[2:] for row in own if row[2] not in UNTOLD[name]]

    write(open_source(REAL / f"{name}.{SUFFIXES.get(name, 'log')}"), tmp_path / "log.gwcap")
    found, wanted = rows_of(tmp_path / "log.gwcap"), seen(name)
    assert {row[0] for row in found} == {row[0] for row in wanted} == {1, 2}
    for connection in (1, 2):
        for from_client in (True, False):
            wanted_here = told(wanted, connection, from_client=from_client)
            found_here = told(found, connection, from_client=from_client)
            # What came while the client was closing it did not read any more.
            assert len(wanted_here) - len(found_here) <= int(connection == 2 and not from_client)
            assert found_here == wanted_here[: len(found_here)]


@pytest.mark.parametrize("name", UNTOLD)
def test_a_healthy_log_raises_no_alarm(name: str, tmp_path: Path) -> None:
    write(open_source(REAL / f"{name}.{SUFFIXES.get(name, 'log')}"), tmp_path / "log.gwcap")
    rows = all_rows_of(tmp_path / "log.gwcap")
    assert [each for row in rows for each in row["findings"] if each.severity >= Severity.WARN] == []
