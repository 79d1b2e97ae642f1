"""The server's side of a group against davey's: what one says of the group, the other must say too."""

from copy import copy

import dave as libdave
import pytest

from inspector.simulator.client.member import Member
from inspector.simulator.content import ADA, BJORN, BOT, CHIOMA, LOUNGE, Json
from inspector.simulator.server.connection import ScriptError
from inspector.simulator.server.dave import ExternalSender, Proposal, ServerGroup, append, revoke, vector

pytestmark = pytest.mark.compat


class Room:
    """A group and everybody's library. What the server says reaches all that it should at once."""

    def __init__(self, *people: Json) -> None:
        self.sender = ExternalSender()
        self.group = ServerGroup(int(LOUNGE), self.sender)
        self.members: dict[int, Member] = {}
        self.commits: dict[int, bytes] = {}
        for who in people:
            self.come(who)

    def come(self, who: Json) -> Member:
        member = self.members[int(who["id"])] = Member(who, LOUNGE)
        member.trust(self.sender.package)
        self.group.offer(int(who["id"]), member.key_package())
        return member

    def add(self, *people: Json) -> None:
        self.tell([self.group.add(int(who["id"])) for who in people])

    def remove(self, who: Json) -> None:
        self.tell([self.group.remove(int(who["id"]))])

    def tell(self, proposals: list[Proposal]) -> None:
        for user_id, member in self.members.items():
            others = [each for each in proposals if each.user_id != user_id]
            commit = member.consider(append(others)) if others else None
            if commit is not None:
                self.commits[user_id] = commit

    def commit(self, who: Json) -> None:
        """Let one's commit win, and tell all members of it."""
        transition = self.group.commit(int(who["id"]), self.commits.pop(int(who["id"])))
        for user_id in self.group.members.values():
            if user_id in transition.welcomes:
                assert self.members[user_id].enter(transition.welcomes[user_id])
            else:
                assert self.members[user_id].follow(transition.commit)

    def agree(self, *people: Json) -> bool:
        """Return whether these people are the group, for the server and for the libraries of all of them."""
        ids = {who["id"] for who in people}
        sessions = [self.members[int(user_id)].session for user_id in ids]
        return (
            {str(user_id) for user_id in self.group.members.values()} == ids
            and all(set(session.get_user_ids()) == ids for session in sessions)
            and {session.epoch for session in sessions} == {self.group.epoch}
            and all(self.group.members[session.own_leaf_index] == session.user_id for session in sessions)
            and len({session.get_epoch_authenticator() for session in sessions}) == 1
        )


def _two() -> Room:
    room = Room(BOT, ADA)
    room.add(BOT, ADA)
    room.commit(BOT)
    return room


def _unchanged(room: Room, who: Json, commit: bytes, match: str) -> None:
    group = room.group
    before = (group.epoch, group.members, list(group.pending))
    with pytest.raises(ScriptError, match=match):
        group.commit(int(who["id"]), commit)
    assert (group.epoch, group.members, group.pending) == before


@pytest.mark.parametrize("first", [BOT, ADA])
def test_whoever_commits_first_makes_the_group(first: Json) -> None:
    room = Room(BOT, ADA)
    room.add(BOT, ADA)
    room.commit(first)
    assert room.agree(BOT, ADA)
    assert room.group.members[0] == int(first["id"])
    assert room.group.epoch == 1


@pytest.mark.parametrize("committer", [BOT, ADA])
def test_a_newcomer_is_let_in_by_any_member(committer: Json) -> None:
    room = _two()
    room.come(BJORN)
    room.add(BJORN)
    room.commit(committer)
    assert room.agree(BOT, ADA, BJORN)
    assert room.group.epoch == 2


def test_who_is_removed_is_out_and_the_next_one_gets_the_leaf() -> None:
    room = _two()
    room.come(BJORN)
    room.add(BJORN)
    room.commit(ADA)
    room.remove(ADA)
    room.commit(BJORN)
    assert room.agree(BOT, BJORN)
    room.come(CHIOMA)
    room.add(CHIOMA)
    room.commit(BOT)
    assert room.agree(BOT, BJORN, CHIOMA)
    assert room.group.members[1] == int(CHIOMA["id"])


def test_two_who_come_at_once_each_get_a_welcome_of_their_own() -> None:
    room = _two()
    room.come(BJORN)
    room.come(CHIOMA)
    room.add(CHIOMA, BJORN)
    transition = room.group.commit(int(BOT["id"]), room.commits[int(BOT["id"])])
    theirs = {user_id: transition.welcomes[user_id] for user_id in (int(BJORN["id"]), int(CHIOMA["id"]))}
    assert not room.members[int(BJORN["id"])].enter(theirs[int(CHIOMA["id"])])
    assert room.members[int(BJORN["id"])].enter(theirs[int(BJORN["id"])])
    assert room.members[int(CHIOMA["id"])].enter(theirs[int(CHIOMA["id"])])
    for who in (BOT, ADA):
        assert room.members[int(who["id"])].follow(transition.commit)
    assert room.agree(BOT, ADA, BJORN, CHIOMA)


def test_who_lost_step_is_removed_and_added_in_one_commit() -> None:
    room = _two()
    lost = room.members[int(BOT["id"])]
    lost.start_over()
    room.group.offer(int(BOT["id"]), lost.key_package())
    bot = int(BOT["id"])
    room.tell([room.group.remove(bot), room.group.add(bot)])
    room.commit(ADA)
    assert room.agree(BOT, ADA)
    assert room.group.epoch == 2


def test_what_is_withdrawn_need_not_be_committed() -> None:
    room = _two()
    room.come(BJORN)
    room.add(BJORN)
    room.commit(BOT)
    room.come(CHIOMA)
    room.add(CHIOMA)
    room.remove(BJORN)
    bot = room.members[int(BOT["id"])]
    commit = bot.consider(revoke(room.group.withdraw(int(CHIOMA["id"]))))
    assert commit is not None
    transition = room.group.commit(int(BOT["id"]), commit)
    assert bot.follow(transition.commit)
    assert room.members[int(ADA["id"])].follow(transition.commit)
    assert room.agree(BOT, ADA)


def test_people_start_anew_after_a_downgrade() -> None:
    room = _two()
    room.group = ServerGroup(int(LOUNGE), room.sender)
    for user_id, member in room.members.items():
        member.start_over()
        room.group.offer(user_id, member.key_package())
    room.add(BOT, ADA)
    room.commit(ADA)
    assert room.agree(BOT, ADA)
    assert room.group.epoch == 1


def test_a_commit_that_comes_second_is_refused() -> None:
    room = _two()
    room.come(BJORN)
    room.add(BJORN)
    late = room.commits[int(ADA["id"])]
    room.commit(BOT)
    _unchanged(room, ADA, late, "is for epoch 1, and this is 2")


def test_a_commit_must_cover_all_that_is_proposed() -> None:
    room = _two()
    room.come(BJORN)
    room.add(BJORN)
    early = room.commits[int(ADA["id"])]
    room.come(CHIOMA)
    room.add(CHIOMA)
    _unchanged(room, ADA, early, "covers 1 proposals, not the 2 there are")
    room.commit(ADA)
    assert room.agree(BOT, ADA, BJORN, CHIOMA)


def test_a_commit_in_anothers_place_is_refused() -> None:
    room = _two()
    room.come(BJORN)
    room.add(BJORN)
    _unchanged(room, BOT, room.commits[int(ADA["id"])], "is by leaf 1, which is not theirs")


def test_a_commit_without_its_welcome_is_refused() -> None:
    room = _two()
    room.come(BJORN)
    room.add(BJORN)
    transition = copy(room.group).commit(int(BOT["id"]), room.commits[int(BOT["id"])])
    _unchanged(room, BOT, transition.commit, "adds 1 and welcomes 0")


def test_a_commit_cut_anywhere_is_refused() -> None:
    room = _two()
    room.come(BJORN)
    room.add(BJORN)
    whole = room.commits[int(BOT["id"])]
    for length in range(len(whole)):
        _unchanged(room, BOT, whole[:length], "ends|not a public message|welcomes 0")
    room.commit(BOT)
    assert room.agree(BOT, ADA, BJORN)


def test_a_key_package_lets_in_once() -> None:
    room = _two()
    with pytest.raises(ScriptError, match="no key package"):
        room.group.add(int(ADA["id"]))


def test_a_key_package_in_anothers_name_is_refused() -> None:
    room = _two()
    with pytest.raises(ScriptError, match=f"in the name of {BJORN['id']}"):
        room.group.offer(int(ADA["id"]), Member(BJORN, LOUNGE).key_package())


def test_a_key_package_may_come_in_an_mls_message() -> None:
    room = _two()
    member = room.come(BJORN)
    room.group.offer(int(BJORN["id"]), b"\x00\x01\x00\x05" + member.key_package())
    room.add(BJORN)
    room.commit(BOT)
    assert room.agree(BOT, ADA, BJORN)


def test_nobody_is_removed_who_is_not_there() -> None:
    with pytest.raises(ScriptError, match="they are not a member"):
        _two().group.remove(int(BJORN["id"]))


@pytest.mark.parametrize(
    ("length", "head"), [(0, "00"), (63, "3f"), (64, "4040"), (16383, "7fff"), (16384, "80004000")]
)
def test_a_length_takes_the_fewest_bytes(length: int, head: str) -> None:
    assert vector(bytes(length)) == bytes.fromhex(head) + bytes(length)


def test_a_signature_by_another_server_is_not_obeyed() -> None:
    room = _two()
    stranger = ServerGroup(int(LOUNGE), ExternalSender())
    stranger.epoch = 1
    stranger.offer(int(BJORN["id"]), Member(BJORN, LOUNGE).key_package())
    foreign = stranger.add(int(BJORN["id"]))
    assert room.members[int(ADA["id"])].consider(append([foreign])) is None


def test_libdave_follows_the_server_too() -> None:
    """The library of the official clients, by PyPI's dave.py, beside davey in one group."""
    room = Room(ADA)
    bot = int(BOT["id"])
    session = libdave.Session()
    session.init(1, int(LOUNGE), BOT["id"])
    session.set_external_sender(room.sender.package)
    room.group.offer(bot, session.get_marshalled_key_package())
    proposals = [room.group.add(bot), room.group.add(int(ADA["id"]))]
    commit = session.process_proposals(append(proposals[1:]), {BOT["id"], ADA["id"]})
    transition = room.group.commit(bot, commit)
    assert session.process_commit(transition.commit).keys() == {bot, int(ADA["id"])}
    ada = room.members[int(ADA["id"])]
    assert ada.enter(transition.welcomes[int(ADA["id"])])

    room.come(BJORN)
    added = [room.group.add(int(BJORN["id"]))]
    session.process_proposals(append(added), {BOT["id"], ADA["id"], BJORN["id"]})
    commit = ada.consider(append(added))
    assert commit is not None
    transition = room.group.commit(int(ADA["id"]), commit)
    assert session.process_commit(transition.commit).keys() == {int(BJORN["id"])}
    assert ada.follow(transition.commit)
    assert room.members[int(BJORN["id"])].enter(transition.welcomes[int(BJORN["id"])])
    assert session.get_last_epoch_authenticator() == ada.session.get_epoch_authenticator()
