"""An end-to-end encrypted call: the group as the server sees it, and the people in it who have no connection.

The rule: guests hear at once what the server says to everybody, and speak when the script says that it is their turn.
So one connection suffices for a call of many, and who wins a race is the script's choice.
"""

from collections.abc import Iterable

from inspector.simulator.client.member import VERSION, Member
from inspector.simulator.content import Json
from inspector.simulator.server import dave
from inspector.simulator.server.connection import ScriptError
from inspector.simulator.server.dave import ExternalSender, Proposal, ServerGroup, ServerTransition


class ServerCall:
    """A call in a voice channel, over all the groups it has one after the other."""

    def __init__(self, channel_id: str) -> None:
        self.sender = ExternalSender()
        self.group = ServerGroup(int(channel_id), self.sender)
        self.transition_id = -1
        """Of the newest transition. The first group's is 0, for which no one has to be ready; -1 before that."""
        self.version = VERSION
        """Of DAVE, by which the guests encrypt; 0 is none."""
        self._channel_id = channel_id
        self._guests: dict[int, Member] = {}
        self._commits: dict[int, bytes] = {}

    def guest(self, who: Json) -> Member:
        """Let somebody come who lives in this process. They have a key package to offer, and are not in the group yet.

        Raises `EnvironmentProblem` without davey.
        """
        member = Member(who, self._channel_id)
        member.trust(self.sender.package)
        self._guests[int(who["id"])] = member
        self.group.offer(int(who["id"]), member.key_package())
        return member

    def encrypted(self, who: Json, frame: bytes) -> bytes:
        """Return a frame of sound as a guest sends it."""
        guest = self._guests.get(int(who["id"]))
        return frame if guest is None or not self.version else guest.encrypt(frame)

    def leave(self, who: Json) -> None:
        """Let a guest go. The group still has them in it."""
        del self._guests[int(who["id"])]

    def add(self, *people: Json) -> list[Proposal]:
        """Propose to add people, and tell the guests. They come in the order of the names.

        Nothing else is to be proposed in the same epoch after it: davey (0.1.7) then commits without a Welcome.
        """
        return self._tell([self.group.add(int(who["id"])) for who in people])

    def remove(self, *people: Json) -> list[Proposal]:
        """Propose to remove people, and tell the guests."""
        return self._tell([self.group.remove(int(who["id"])) for who in people])

    def withdraw(self, *people: Json) -> list[Proposal]:
        """Take back what is proposed about these people, and tell the guests."""
        withdrawn = [proposal for who in people for proposal in self.group.withdraw(int(who["id"]))]
        for user_id, guest in self._guests.items():
            if self.hears(user_id):
                guest.consider(dave.revoke(withdrawn))
                self._commits.pop(user_id, None)
        return withdrawn

    def commit_of(self, who: Json) -> bytes:
        """Return the commit that a guest has made of what is proposed, as op 28 has it."""
        commit = self._commits.get(int(who["id"]))
        if commit is None:
            raise ScriptError(f"{who['id']} is not a guest with something to commit")
        return commit

    def accept(self, user_id: int, commit: bytes) -> ServerTransition:
        """Let a commit win: the group moves on, and the guests with it.

        Raises `ScriptError` where it is not valid, or where a guest's library cannot use it.
        """
        transition = self.group.commit(user_id, commit)
        self.transition_id += 1
        self._commits.clear()
        members = set(self.group.members.values())
        for guest_id, guest in self._guests.items():
            if guest_id in transition.welcomes:
                used = guest.enter(transition.welcomes[guest_id])
            else:
                used = guest_id not in members or guest.follow(transition.commit)
            if not used:
                raise ScriptError(f"{guest_id} cannot use the commit of {user_id}, says davey")
        return transition

    def next_transition(self) -> int:
        """Return the id of a transition that comes without a commit."""
        self.transition_id = max(self.transition_id, 0) + 1
        return self.transition_id

    def start_over(self) -> None:
        """Begin with a new group, as epoch 1 in op 24 demands. The guests have new key packages to offer."""
        self.group = ServerGroup(int(self._channel_id), self.sender)
        self.version = VERSION
        self._commits.clear()
        for user_id, guest in self._guests.items():
            guest.start_over()
            self.group.offer(user_id, guest.key_package())

    def hears(self, user_id: int) -> bool:
        """Return whether someone hears of proposals: while there is no group everybody, later its members."""
        return not self.group.members or user_id in self.group.members.values()

    def _tell(self, proposals: list[Proposal]) -> list[Proposal]:
        for user_id, guest in self._guests.items():
            others = about_others(proposals, user_id)
            if others and self.hears(user_id) and (commit := guest.consider(dave.append(others))) is not None:
                self._commits[user_id] = commit
        return proposals


def about_others(proposals: Iterable[Proposal], user_id: int) -> list[Proposal]:
    """Return those that somebody is told. No one can commit what concerns themselves, so they do not get it."""
    return [proposal for proposal in proposals if proposal.user_id != user_id]
