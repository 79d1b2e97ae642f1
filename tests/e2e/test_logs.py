"""Logs and archives of a run, beside what was recorded of it: made on the spot by what is installed here.

discordless' addon is not ours to keep. Where WUMPUS names its file, it runs in the same proxy: see
`tests.importers.logs.record`.
"""

import os
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from inspector.importers.formats import open_source
from inspector.model import Kind, Plane
from inspector.store.reader import Reader
from tests.importers.logs.comparing import assert_as_seen
from tests.importers.logs.record import RECIPES, archived, rows_of
from tests.test_one_road import write

pytestmark = pytest.mark.e2e


@pytest.mark.parametrize("name", ["discordpy", "discordpy-ms", "discordpy-raw", "hikari"])
def test_a_log_has_what_was_recorded_of_the_run(name: str, tmp_path: Path) -> None:
    log, recorded = RECIPES[name]()
    (tmp_path / "bot.log").write_text(log, "utf-8")
    write(open_source(tmp_path / "bot.log"), tmp_path / "log.gwcap")
    assert_as_seen(name, rows_of(tmp_path / "log.gwcap"), recorded)


@pytest.mark.skipif("WUMPUS" not in os.environ, reason="WUMPUS names no addon of discordless")
@pytest.mark.parametrize(
    "name", ["plain-json", "zlib-stream", "zstd-stream", "etf", "payload-compression", "resume", "hostile"]
)
def test_an_archive_of_discordless_reads_as_what_was_recorded_of_the_run(name: str, tmp_path: Path) -> None:
    archive, capture = archived(name, tmp_path)
    write(open_source(archive), tmp_path / "archive.gwcap")
    assert _received(tmp_path / "archive.gwcap") == _received(capture)


def _received(capture: Path) -> list[tuple[Any, ...]]:
    """Return what the servers of main gateways said, with all of its bytes and times to the microsecond."""
    with closing(Reader(capture)) as reader:
        return [
            (each.connection, each.at_ns // 1000, each.op, each.event, each.seq, each.wire_bytes, each.encoding)
            + (reader.payload(each.n),)
            for each in reader.all_events()
            if each.kind in (Kind.PAYLOAD, Kind.UNDECODED) and each.plane is Plane.GATEWAY and each.from_client is False
        ]
