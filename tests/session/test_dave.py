"""What is known of a group: epoch, members by leaf, and what is not known."""

from typing import Any

import pytest

from inspector.session.dave import MAX_PACKAGES, MAX_PROPOSALS
from tests.diagnose.dave_talk import (
    ADA,
    BJORN,
    BOT,
    CHIOMA,
    Talk,
    add,
    commit,
    events_of,
    package,
    package_ref,
    pair,
    proposal,
    remove,
    state,
)


def notes(talk: Talk, op: int) -> list[str | None]:
    return [event.note for event in events_of(talk) if event.op == op]


def welcomed() -> Talk:
    """Ada makes a group with the bot: epoch 1 by the welcome in row 9."""
    return Talk().introduced().sender().package().proposes(add(ADA, 0)).welcomes(0, package())


def test_who_makes_a_group_has_the_first_leaf() -> None:
    assert (state(pair()).epoch, state(pair()).group) == (1, {0: BOT, 1: ADA})
    assert notes(pair(), 29) == ["epoch 1: 2 members, by the client's own commit"]


def test_who_is_welcomed_by_the_only_other_one_has_the_second() -> None:
    assert (state(welcomed()).epoch, state(welcomed()).group) == (1, {0: ADA, 1: BOT})
    assert notes(welcomed(), 30) == ["epoch 1: 2 members"]


def test_of_two_others_nobody_knows_who_made_the_group() -> None:
    talk = Talk().introduced().comes(BJORN).package().proposes(add(ADA, 0), add(BJORN, 0)).welcomes(0, package())
    assert (state(talk).epoch, state(talk).group) == (1, None)
    assert notes(talk, 30) == ["epoch 1"]


def test_a_group_that_was_there_before_is_not_known_but_its_epoch_comes_to_light() -> None:
    talk = Talk().introduced().package().welcomes(7, package())
    assert (state(talk).inside, state(talk).epoch, state(talk).group) == (True, None, None)
    assert notes(talk, 30) == [None]
    talk.comes(BJORN).proposes(add(BJORN, 9))
    assert (state(talk).epoch, state(talk).group) == (9, None)
    talk.announces(8, commit(9, add(BJORN, 9), leaf=1))
    assert (state(talk).epoch, state(talk).group, notes(talk, 29)) == (10, None, ["epoch 10"])


def test_who_comes_gets_the_lowest_leaf_that_is_free() -> None:
    first, goes, comes = add(BJORN), remove(1, 2), add(CHIOMA, 3)
    talk = pair().comes(BJORN).proposes(first).announces(1, commit(1, first, leaf=1))
    assert state(talk).group == {0: BOT, 1: ADA, 2: BJORN}
    talk.proposes(goes).announces(2, commit(2, goes))
    assert state(talk).group == {0: BOT, 2: BJORN}
    talk.comes(CHIOMA).proposes(comes).announces(3, commit(3, comes))
    assert (state(talk).epoch, state(talk).group) == (4, {0: BOT, 1: CHIOMA, 2: BJORN})
    assert notes(talk, 29)[-1] == "epoch 4: 3 members"


def test_who_is_removed_makes_room_in_the_same_commit() -> None:
    """RFC 9420 section 12.3: removals count first, whatever their place in the list."""
    comes, goes = add(ADA, number=5), remove(1)
    talk = pair().proposes(comes, goes).commits(commit(1, comes, goes, signature="aa"))
    talk.announces(1, commit(1, comes, goes, leaf=1, signature="bb"))
    assert state(talk).group == {0: BOT, 1: ADA}
    assert notes(talk, 29)[-1] == "epoch 2: 2 members, by another's commit"


@pytest.mark.parametrize(
    "made",
    [
        commit(1, "ab" * 32),
        commit(1, remove(7)),
        commit(
            1,
            proposal(1, {"proposal_type": "psk", "psk": {"psktype": "external", "psk_id": "00", "psk_nonce": "00"}}),
        ),
    ],
)
def test_a_group_is_unknown_after_a_commit_that_is_not_understood(made: dict[str, Any]) -> None:
    talk = pair().proposes(remove(7)).announces(1, made)
    assert (state(talk).epoch, state(talk).group) == (2, None)


@pytest.mark.parametrize("epoch", [0, 2, 5])
def test_a_group_is_unknown_after_a_commit_of_another_epoch(epoch: int) -> None:
    talk = pair().announces(1, commit(epoch, signature="99"))
    assert (state(talk).epoch, state(talk).group) == (epoch + 1, None)


def test_a_group_ends_with_a_new_beginning_and_with_the_clients_rejection() -> None:
    for talk in (pair().renews(), pair().renews("1"), pair().client({"op": 31, "d": {"transition_id": 0}})):
        found = state(talk)
        assert (found.epoch, found.group, found.inside) == (None, None, False)
        assert found.key_package_due is not None
    assert notes(pair().renews(), 24) == ["the group of epoch 1 ends"]
    assert state(pair().renews(2)).group == {0: BOT, 1: ADA}


def test_a_resume_takes_the_group_over() -> None:
    before, adds = pair(), add(BJORN)
    after = Talk(connection=2, at_ns=before._at_ns + 10**9)
    before.closes(4015, by="server")
    after.opens().server({"op": 8, "d": {"heartbeat_interval": 41250}})
    after.client({"op": 7, "d": {"server_id": "42", "session_id": "invented", "token": "invented"}})
    after.server({"op": 9, "d": None})
    after.proposes(adds).announces(1, commit(1, adds, leaf=1))
    assert (state(before, after).epoch, state(before, after).group) == (2, {0: BOT, 1: ADA, 2: BJORN})
    assert state(before, after).whole


def test_what_came_before_a_recording_is_not_known_after_a_resume_either() -> None:
    before = pair()
    before.frame(b"{").closes(4015, by="server")
    after = Talk(connection=2, at_ns=before._at_ns + 10**9).opens()
    after.client({"op": 7, "d": {"server_id": "42", "session_id": "invented", "token": "invented"}})
    assert not state(before, after).whole


def test_proposals_that_were_taken_back_are_no_longer_waited_for() -> None:
    adds, goes = add(BJORN), remove(1)
    talk = pair().comes(BJORN).proposes(adds).proposes(goes).revokes(adds)
    proposals = state(talk).proposals
    assert proposals is not None
    assert proposals.n == 13
    assert state(talk).proposed == 1
    talk.revokes(goes)
    assert (state(talk).proposals, state(talk).proposed) == (None, 0)


def test_proposals_of_an_epoch_that_is_over_are_forgotten() -> None:
    talk = pair().comes(BJORN).proposes(add(BJORN)).proposes(remove(1, 2))
    assert [each.kind for each in state(talk).open_proposals.values()] == ["remove"]


def test_a_commit_that_lost_is_not_waited_for() -> None:
    adds = add(BJORN)
    talk = pair().comes(BJORN).proposes(adds).announces(1, commit(1, adds, leaf=1)).commits(commit(1, adds))
    assert state(talk).committed is None


def test_a_key_package_is_used_up_by_the_commit_that_lets_in() -> None:
    assert list(state(pair()).used) == [package_ref(package(ADA))]
    assert list(state(welcomed()).used) == [package_ref(package())]


def test_proposals_and_key_packages_without_end_are_not_kept() -> None:
    talk = pair()
    for start in range(0, MAX_PROPOSALS + 200, 100):
        talk.proposes(*(remove(leaf) for leaf in range(start, start + 100)))
    found = state(talk)
    assert (len(found.open_proposals), found.whole) == (MAX_PROPOSALS, False)
    for number in range(MAX_PACKAGES + 2):
        talk.package(package(number=number))
    assert len(state(talk).packages) == MAX_PACKAGES


def test_how_far_it_has_come_is_said_in_words() -> None:
    assert state(Talk().introduced()).words == "DAVE, no group"
    assert state(pair()).words == "DAVE epoch 1, 2 people"
