"""What is noticed of real libraries, in captures of a real mitmdump: of healthy ones nothing, of sick ones why."""

from pathlib import Path

import pytest

from inspector.model import Finding, Severity, Verdict
from inspector.store.reader import Reader
from tests.e2e.playing import play

pytestmark = pytest.mark.e2e


def diagnosed(capture: Path) -> tuple[list[Finding], list[Verdict]]:
    """Return what a capture holds of findings and verdicts."""
    reader = Reader(capture)
    try:
        return reader.findings(), list(reader.verdicts().values())
    finally:
        reader.close()


@pytest.mark.parametrize(
    ("name", "library"), [("healthy", "discord.py"), ("healthy", "hikari"), ("dave-call", "discord.py")]
)
def test_there_is_nothing_to_warn_of_in_a_healthy_bot(name: str, library: str, tmp_path: Path) -> None:
    findings, verdicts = diagnosed(play(name, tmp_path, library, pace=1.0).capture)
    assert [finding for finding in findings if finding.severity >= Severity.WARN] == []
    assert verdicts
    assert all(verdict.right is not False for verdict in verdicts)


def test_a_bot_that_blocks_its_loop_is_told_so(tmp_path: Path) -> None:
    """And that it then resumes a session which has timed out, as discord.py does."""
    findings, verdicts = diagnosed(play("blocked-loop", tmp_path, "blocked discord.py", pace=1.0).capture)
    assert [each.rule for each in findings if each.severity >= Severity.WARN] == [
        "heartbeat-overdue",
        "close-4009",
    ]
    assert "the network was fine and the client was blocked" in verdicts[0].cause
    # The simulator lets it resume, whatever 4009 means elsewhere.
    assert verdicts[0].right is None
    assert verdicts[0].then.endswith("the server accepted it.")


@pytest.mark.parametrize("library", ["discord.py", "hikari"])
def test_a_bot_whose_intents_are_not_granted_is_told_which(library: str, tmp_path: Path) -> None:
    findings, [verdict] = diagnosed(play("disallowed-intents", tmp_path, library).capture)
    worst = max(findings, key=lambda finding: finding.severity)
    assert (worst.rule, worst.severity) == ("close-4014", Severity.ERROR)
    assert "GUILD_MEMBERS" in verdict.cause
    assert (verdict.reconnect, verdict.resume) == (False, False)
