"""A call of davey's sessions with the simulator's voice server, of which every binary message is kept.

Neither shares anything with the decoder, so that each can be held against the other.
"""

from dataclasses import dataclass

from inspector.simulator.client.member import Member
from inspector.simulator.server.dave import ExternalSender, ServerGroup, append, revoke

CHANNEL = 1180000000000000050
ALICE, BOB, CAROL = 1180000000000000101, 1180000000000000102, 1180000000000000103


@dataclass(frozen=True, slots=True)
class Passed:
    """A binary message as it crossed."""

    data: bytes
    from_client: bool


class Call:
    """A call whose members all do what they are told, at once."""

    def __init__(self) -> None:
        self.sender = ExternalSender()
        self.group = ServerGroup(CHANNEL, self.sender)
        self.people: dict[int, Member] = {}
        """By user id: those who are in the call."""
        self.passed: list[Passed] = []
        """Oldest first. What goes to several of them is there once."""

    def come(self, *users: int) -> None:
        """Let users come, who get op 25 and send op 26."""
        for user in users:
            member = self.people[user] = Member({"id": user}, str(CHANNEL))
            self._tell(25, self.sender.package)
            member.trust(self.sender.package)
            package = member.key_package()
            self.group.offer(user, package)
            self._hear(26, package)

    def add(self, *users: int, committer: int) -> bytes:
        """Propose to add users, op 27, and return a member's commit, op 28. Where there is no group it makes one."""
        return self._propose(append(self.group.add(user) for user in users), committer)

    def remove(self, user: int, committer: int) -> bytes:
        """Let a user go, propose to remove them, op 27, and return another's commit, op 28."""
        del self.people[user]
        return self._propose(append([self.group.remove(user)]), committer)

    def withdraw(self, user: int) -> None:
        """Take back what was proposed about a user, op 27."""
        withdrawn = revoke(self.group.withdraw(user))
        self._tell(27, withdrawn)
        for member in self.people.values():
            member.consider(withdrawn)

    def announce(self, transition: int, committer: int, commit: bytes) -> None:
        """Let a commit win, and everybody go on to the next epoch: ops 29 and 30."""
        won = self.group.commit(committer, commit)
        self._tell(29, transition.to_bytes(2) + won.commit)
        for user in self.group.members.values():
            if user in won.welcomes:
                self._tell(30, transition.to_bytes(2) + won.welcomes[user])
                assert self.people[user].enter(won.welcomes[user])
            else:
                assert self.people[user].follow(won.commit)

    def _propose(self, proposals: bytes, committer: int) -> bytes:
        self._tell(27, proposals)
        told = {committer, *self.group.members.values()} & self.people.keys()
        commit = {user: self.people[user].consider(proposals) for user in told}[committer]
        assert commit is not None
        self._hear(28, commit)
        return commit

    def _tell(self, op: int, body: bytes) -> None:
        self.passed.append(Passed(len(self.passed).to_bytes(2) + bytes([op]) + body, from_client=False))

    def _hear(self, op: int, body: bytes) -> None:
        self.passed.append(Passed(bytes([op]) + body, from_client=True))
