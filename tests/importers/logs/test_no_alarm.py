"""What a log lacks raises no alarm: what is noticed in one was noticed in the recording of the same traffic, too."""

from collections.abc import Callable
from pathlib import Path

import pytest

from inspector.importers.formats import open_source
from inspector.importers.hints import Hints
from inspector.importers.logs import LogFile
from inspector.model import Severity
from sample_captures.make import SAMPLES
from tests.logs import WRITERS
from tests.test_one_road import HOSTS, recorded, rows_of, write


@pytest.mark.parametrize("writer", WRITERS.values(), ids=WRITERS)
def test_what_a_log_lacks_raises_no_alarm(writer: Callable[..., str], tmp_path: Path) -> None:
    alarms = []
    for name in SAMPLES:
        (tmp_path / name).mkdir()
        log = tmp_path / name / "bot.log"
        log.write_text(writer(recorded(name)), "utf-8")
        if not log.read_text("utf-8").strip():
            continue
        source = open_source(log, Hints(HOSTS))
        assert isinstance(source, LogFile)
        write(recorded(name), tmp_path / name / "whole.gwcap")
        write(source, tmp_path / name / "log.gwcap")
        known, seen = (
            {
                finding.rule: finding.text
                for row in rows_of(tmp_path / name / file)
                for finding in row["findings"]
                if finding.severity >= Severity.WARN
            }
            for file in ("whole.gwcap", "log.gwcap")
        )
        alarms += [f"{name}: {rule}: {seen[rule]}" for rule in seen if rule not in known]
    assert alarms == []
