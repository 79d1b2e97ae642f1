"""Encryption over time, from payloads alone: who is in the group when, and what each transition led to."""

from typing import Any

import pytest

from inspector.analysis import dave_timeline
from inspector.analysis.dave_timeline import DaveRecorder, DaveTimeline
from inspector.model import Event, Kind, Plane
from inspector.session.messages import At

ME, ADA, BEA = "1", "2", "3"
OWN = {"commit": {"public_message": {"signature": "of the client"}}, "epoch": 0}


class Call:
    """What passes on one connection, a second apart."""

    def __init__(self) -> None:
        self.recorder = DaveRecorder()
        self.row = -1
        self.recorder.begin()
        self.send(0, {"user_id": ME}).receive(4, {"dave_protocol_version": 1}).receive(11, {"user_ids": [ADA]})

    def receive(self, op: int, d: Any) -> "Call":
        return self._take(op, d, False)

    def send(self, op: int, d: Any = None) -> "Call":
        return self._take(op, d, True)

    def propose(self, epoch: int, *proposals: dict[str, Any]) -> "Call":
        listed = [{**each, "message": {"public_message": {"epoch": epoch}}} for each in proposals]
        return self.receive(27, {"operation": "append", "epoch": epoch, "proposals": listed})

    def commit(self, transition: int, epoch: int, *refs: str) -> "Call":
        listed = [{"type": "reference", "reference": ref} for ref in refs]
        message = {"public_message": {"commit": {"proposals": listed}, "signature": "of the client"}}
        return self.receive(29, {"transition_id": transition, "epoch": epoch, "commit": message})

    def _take(self, op: int, d: Any, from_client: bool) -> "Call":
        self.row += 1
        event = Event(self.row, 2, self.row * 1_000, Plane.VOICE, Kind.PAYLOAD, from_client, op=op)
        self.recorder.take(event, d)
        return self

    @property
    def view(self) -> DaveTimeline:
        return self.recorder.view()


def added(ref: str, user: str) -> dict[str, Any]:
    return {"type": "add", "ref": ref, "user_id": user}


def removed(ref: str, leaf: int) -> dict[str, Any]:
    return {"type": "remove", "ref": ref, "removed": leaf}


def with_ada() -> Call:
    return Call().propose(0, added("a", ADA)).send(28, OWN).commit(0, 0, "a")


def grouped(timeline: DaveTimeline) -> set[str]:
    return {each.user for each in timeline.members if each.grouped and each.grouped[-1].end_ns is None}


def states(timeline: DaveTimeline) -> list[tuple[str, int | None]]:
    return [(change.state, change.epoch) for change in timeline.changes]


def test_a_commit_brings_in_whom_it_names() -> None:
    call = with_ada().propose(1, added("b", BEA), added("c", "4")).commit(5, 1, "b")
    assert grouped(call.view) == {ME, ADA, BEA}
    assert states(call.view) == [("forming", None), ("group", 1), ("group", 2)]
    assert [(each.id, each.what, each.epoch, each.members) for each in call.view.transitions] == [
        (0, "commit", 1, (ME, ADA)), (5, "commit", 2, (ME, ADA, BEA)),
    ]  # fmt: skip


def test_a_removed_leaf_is_a_user_where_its_place_is_known() -> None:
    call = with_ada().propose(1, added("b", BEA)).commit(1, 1, "b").propose(2, removed("r", 1)).commit(2, 2, "r")
    assert grouped(call.view) == {ME, BEA}
    # Who comes next takes the place that has become free.
    call.propose(3, added("d", ADA)).commit(3, 3, "d").propose(4, removed("s", 1)).commit(4, 4, "s")
    assert grouped(call.view) == {ME, BEA}


def test_after_a_welcome_all_in_the_call_are_in_the_group_and_who_has_left_is_who_is_removed() -> None:
    call = Call().receive(11, {"user_ids": [BEA]}).propose(4, added("m", ME)).receive(30, {"transition_id": 7})
    assert (grouped(call.view), call.view.transitions[0].what) == ({ME, ADA, BEA}, "welcome")
    # To which epoch a Welcome leads shows in what comes next.
    assert states(call.view)[-1] == ("group", None)
    call.receive(13, {"user_id": ADA}).propose(5, removed("r", 9)).commit(8, 5, "r")
    assert grouped(call.view) == {ME, BEA}
    assert states(call.view)[-2:] == [("group", 5), ("group", 6)]


def test_a_commit_of_what_was_never_proposed_here_tells_no_members() -> None:
    assert with_ada().commit(3, 1, "unknown").view.transitions[-1].members is None


def test_a_transition_has_its_times_or_none() -> None:
    call = with_ada().commit(3, 1).send(23, {"transition_id": 3}).receive(22, {"transition_id": 3}).commit(4, 2)
    first, second, third = call.view.transitions
    assert (first.at_once, first.ready, first.executed) == (True, None, None)
    assert second.ready == At(7, 7_000)
    assert second.executed == At(8, 8_000)
    assert (third.at_once, third.ready, third.executed) == (False, None, None)


def test_falling_back_ends_the_group_and_a_new_one_begins_at_one() -> None:
    call = with_ada().receive(21, {"transition_id": 2, "protocol_version": 0})
    assert grouped(call.view) == {ME, ADA}
    call.receive(22, {"transition_id": 2})
    assert grouped(call.view) == set()
    call.receive(24, {"epoch": 1, "protocol_version": 1}).propose(0, added("a", ADA))
    assert states(call.view)[-1] == ("off", None)
    call.receive(30, {"transition_id": 3}).receive(22, {"transition_id": 3})
    assert states(call.view)[-2:] == [("off", None), ("group", 1)]
    assert [each.what for each in call.view.transitions] == ["commit", "downgrade", "new group", "welcome"]


def test_a_commit_that_the_client_rejects_says_so_and_leaves_it_without_a_group() -> None:
    call = with_ada().commit(3, 1, "x").send(31, {"transition_id": 3})
    assert call.view.transitions[-1].rejected == At(7, 7_000)
    assert states(call.view)[-1] == ("forming", None)


def test_presence_ends_with_the_connection() -> None:
    call = with_ada().receive(13, {"user_id": ADA})
    call.recorder.end(At(99, 99_000))
    me, ada = call.view.members
    assert (me.own, me.present[-1].end_ns, ada.present[-1].end_ns) == (True, 99_000, 6_000)
    assert states(call.view)[-1] == ("apart", None)


def test_a_call_without_end_is_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("MOST_CHANGES", "MOST_TRANSITIONS", "MOST_MEMBERS", "MOST_STRETCHES"):
        monkeypatch.setattr(dave_timeline, name, 8)
    call = with_ada()
    for number in range(40):
        call.receive(11, {"user_ids": [str(number), BEA]}).commit(number + 1, number).receive(13, {"user_id": BEA})
    view = call.view
    assert len(view.transitions) + view.left_out == 41
    assert max(len(view.transitions), len(view.changes), len(view.members)) <= 8
    assert max(len(each.present) for each in view.members) <= 8
