"""What is said of the samples, and of conversations that dice have made, is what their rows say."""

import re
from collections import Counter
from contextlib import closing

import pytest

from inspector.pipeline import Pipeline
from inspector.protocol.registry import default
from inspector.store.reader import Reader, stored_happenings
from sample_captures.make import HERE, SAMPLES
from tests.diagnose.truth import Refuted, Rows, check_all, checked
from tests.fed import Fed, fed
from tests.generated import FAULTS, Fault, talk

SEEDS = 3


def sample(name: str) -> Fed:
    with closing(Reader(HERE / f"{name}.gwcap")) as reader:
        happenings = [each for batch in stored_happenings(reader.db) for each in batch]
    return fed(happenings, finish=True)


def test_what_is_said_of_the_samples_is_so() -> None:
    known: Counter[str] = Counter()
    for name in SAMPLES:
        known += check_all(sample(name))
    assert {"verdict", "then", "heartbeat-late"} <= {rule for rule, count in known.items() if count}


@pytest.mark.parametrize("fault", [None, *FAULTS], ids=lambda fault: fault.name if fault else "sane")
def test_what_is_said_of_a_conversation_is_so(fault: Fault | None) -> None:
    known: Counter[str] = Counter()
    for seed in range(SEEDS):
        known += check_all(fed(talk(seed, fault).happenings, Pipeline(default()), finish=True))
    assert known.total()


@pytest.mark.parametrize(
    "fault", [each for each in FAULTS if each.name in ("beats late", "sends too much", "stays without ACKs")]
)
def test_a_number_that_is_not_so_is_refuted(fault: Fault) -> None:
    """Else the checker would be worth nothing."""
    made = fed(talk(0, fault).happenings, finish=True)
    rows = Rows(made.rows)
    refuted = 0
    for event in made.rows:
        for finding in event.findings:
            wrong = re.sub(r"\d+", lambda found: str(int(found[0]) + 7), finding.text, count=1)
            if checked(rows, event, finding.rule, finding.text):
                with pytest.raises(Refuted):
                    checked(rows, event, finding.rule, wrong)
                refuted += 1
    assert refuted
