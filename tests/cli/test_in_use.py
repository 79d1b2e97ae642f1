"""A capture that is being recorded is not written by anybody else, whatever the command."""

from pathlib import Path

import pytest

from inspector.store.lock import Lock


@pytest.mark.parametrize("command", ["record", "live", "reindex", "convert"])
def test_a_capture_that_is_being_recorded_is_refused_at_start(run, capture: Path, command: str) -> None:
    arguments = {
        "record": ["record", "--capture", capture, "--", "true"],
        "live": ["live", "--plain", "--capture", capture, "--", "true"],
        "reindex": ["reindex", capture],
        "convert": ["convert", capture, "--force", "-o", capture],
    }[command]
    before = capture.read_bytes()
    with Lock(capture):
        result = run(*arguments)
    assert result.code == 2
    assert "bot.gwcap is being written by another gwinspect (process " in result.err
    assert "More: gwinspect explain capture-in-use" in result.err
    assert capture.read_bytes() == before
