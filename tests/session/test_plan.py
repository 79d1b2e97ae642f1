"""What is worked out once for all payloads of a kind."""

from itertools import permutations

from inspector.model import Plane
from inspector.protocol.registry import default
from inspector.session.plan import Odd, Plans


def test_what_no_table_knows_is_not_taken_for_what_has_no_opcode_or_event() -> None:
    """Whichever comes first."""
    asked = [(None, None), (97, None), (0, "INVENTED"), (0, None), (0, "MESSAGE_CREATE"), (97, "MESSAGE_CREATE")]
    for order in permutations(asked):
        plans = Plans(default(), {})
        made = {each: plans.of(Plane.GATEWAY, False, *each) for each in order}
        assert [bool(made[each].odd & Odd.UNKNOWN) for each in asked] == [False, True, True, False, False, True]
        assert [made[each].has_form for each in asked] == [False, False, True, False, True, False]


def test_invented_names_share_their_plans() -> None:
    plans = Plans(default(), {})
    made = {id(plans.of(Plane.GATEWAY, False, op, f"INVENTED_{op}")) for op in range(1000, 2000)}
    assert len(made) == 1
    assert len(plans._plans) == 0


def test_an_opcode_of_the_other_side_is_odd() -> None:
    plans = Plans(default(), {})
    assert plans.of(Plane.GATEWAY, True, 10, None).odd == Odd.OTHER_SIDE
    assert plans.of(Plane.GATEWAY, False, 2, None).odd == Odd.OTHER_SIDE
    assert plans.of(Plane.GATEWAY, False, 10, None).odd == Odd.NONE
