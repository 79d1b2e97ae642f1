"""What is put wrong in a conversation is the first case; where nothing was, there is none.

The seed is in the name of a test: `talk(seed, fault)` makes the same conversation again. A thousand seeds:
``python -m benchmarks --only conversations``.
"""

import pytest

from inspector.model import Severity
from tests.generated import FAULTS, Fault, talk
from tests.generated.told import is_told_first, told

SANE, EACH = 56, 2
"""Seeds without a fault, and with each fault: a hundred in all."""


@pytest.mark.parametrize("first", range(0, SANE, 8))
def test_of_a_sane_client_and_a_sane_server_nothing_bad_is_told(first: int) -> None:
    for seed in range(first, first + 8):
        bad = [(seed, case.name, case.lead.finding.text) for case in told(talk(seed)) if case.severity > Severity.INFO]
        assert bad == []


@pytest.mark.parametrize("fault", FAULTS, ids=lambda fault: fault.name)
def test_what_was_put_wrong_is_the_first_case(fault: Fault) -> None:
    for seed in range(EACH):
        cases = told(talk(seed, fault))
        assert is_told_first(fault, cases), f"seed {seed}: {[case.name for case in cases]}"
