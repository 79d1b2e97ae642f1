from pathlib import Path

from inspector.simulator.journal import load, save
from inspector.simulator.scenarios.catalogue import scenario
from tests.simulator.direct import run


def test_a_saved_journal_reads_back_equal(tmp_path: Path) -> None:
    journal, _ = run(scenario("hostile"))
    save(journal, tmp_path / "journal.jsonl")
    assert load(tmp_path / "journal.jsonl") == journal
