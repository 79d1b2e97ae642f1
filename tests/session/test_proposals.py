from typing import Any

import pytest

from inspector.session.messages import At
from inspector.session.proposals import Proposed, changed, inner, number_in, read_proposals, references
from tests.diagnose.dave_talk import ADA, BJORN, BOT, add, commit, package, package_ref, ref, remove


@pytest.mark.parametrize(
    ("value", "number"), [(1, 1), ("1", 1), ("-1", None), ("1" * 20, None), ("x", None), (True, None), (1.0, None)]
)
def test_a_number_may_be_text(value: Any, number: int | None) -> None:
    assert number_in({"epoch": value}, "epoch") == number


@pytest.mark.parametrize("d", [None, [], "x", {}, {"a": []}, {"a": {"b": None}}])
def test_where_nothing_stands_nothing_is_found(d: Any) -> None:
    assert inner(d, "a", "b") is None
    assert (references(d), list(read_proposals(d, At(1, 1)))) == ([], [])


def test_a_commit_names_its_proposals_in_order() -> None:
    adds, goes = add(BJORN), remove(1)
    assert references({"commit": commit(1, goes, adds)}) == [ref(goes), ref(adds)]


def test_a_proposal_says_whom_it_adds_and_by_which_key_package() -> None:
    made = add(BJORN, 3)
    made["public_message"]["proposal"]["key_package"]["ref"] = package_ref(package(BJORN))
    found = dict(
        read_proposals({"proposals": [{"ref": "ab", "type": "add", "user_id": BJORN, "message": made}]}, At(4, 5))
    )
    assert found == {"ab": Proposed(4, 5, 3, "add", BJORN, None, package_ref(package(BJORN)))}


def test_a_change_of_a_group_does_not_touch_the_one_before() -> None:
    group = {0: BOT, 1: ADA}
    assert changed(group, [Proposed(1, 1, 1, "remove", leaf=1)]) == {0: BOT}
    assert group == {0: BOT, 1: ADA}
    assert changed(group, [None]) is None


def test_who_is_added_gets_the_lowest_leaf_that_removals_left() -> None:
    taken = [Proposed(1, 1, 1, "add", BJORN), Proposed(1, 1, 1, "remove", leaf=0)]
    assert changed({0: BOT, 1: ADA}, taken) == {0: BJORN, 1: ADA}
