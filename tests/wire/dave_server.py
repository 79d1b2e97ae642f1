"""The voice server in a call of davey's sessions: signs who is added and removed, and keeps every frame that passes.

What it writes is put together by hand and shares nothing with the decoder, so that each can be held against the other.
"""

from dataclasses import dataclass

import davey
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

CHANNEL = 1180000000000000050
ALICE, BOB, CAROL = 1180000000000000101, 1180000000000000102, 1180000000000000103
_APPEND, _REVOKE = b"\0", b"\1"
_ADD, _REMOVE = b"\0\1", b"\0\3"


def vector(data: bytes) -> bytes:
    """Return `data` with its length before it."""
    return (bytes([len(data)]) if len(data) < 64 else (len(data) | 0x4000).to_bytes(2)) + data


@dataclass(frozen=True, slots=True)
class Passed:
    """A binary message as it crossed."""

    data: bytes
    from_client: bool


class Call:
    """A call whose members all do what they are told, at once."""

    def __init__(self) -> None:
        self._key = ec.generate_private_key(ec.SECP256R1())
        point = self._key.public_key().public_bytes(Encoding.X962, PublicFormat.UncompressedPoint)
        self.external_sender = vector(point) + b"\0\1" + vector(bytes(8))
        self.signature_key = point
        self.sessions: dict[int, davey.DaveSession] = {}
        """By user: those who are in the call."""
        self.passed: list[Passed] = []
        """Every frame, oldest first. What all members get is there once."""
        self.epoch = 0
        self.members: set[int] = set()
        """Users in the group."""

    def come(self, user: int) -> bytes:
        """Let a user come, who gets op 25 and sends op 26. Returns the key package."""
        session = self.sessions[user] = davey.DaveSession(1, user, CHANNEL)
        self._tell(25, self.external_sender)
        session.set_external_sender(self.external_sender)
        package: bytes = session.get_serialized_key_package()
        self._hear(26, package)
        return package

    def add(self, *packages: bytes) -> list[bytes]:
        """Return the messages that propose to add these."""
        return [self._signed(_ADD + package) for package in packages]

    def remove(self, leaf: int) -> list[bytes]:
        """Return the message that proposes to remove the member at a leaf."""
        return [self._signed(_REMOVE + leaf.to_bytes(4))]

    def propose(self, proposals: list[bytes], committer: int) -> "davey.CommitWelcome":
        """Send op 27, and return one member's answer, op 28. While there is no group, that user makes it."""
        listed = vector(b"".join(proposals))
        self._tell(27, _APPEND + listed)
        answers = {
            user: session.process_proposals(davey.ProposalsOperationType.append, listed)
            for user, session in self.sessions.items()
            if user in self.members or user == committer
        }
        answer = answers[committer]
        self._hear(28, answer.commit + (answer.welcome or b""))
        return answer

    def withdraw(self, refs: list[bytes]) -> None:
        """Send op 27 that takes proposals back."""
        listed = vector(b"".join(vector(ref) for ref in refs))
        self._tell(27, _REVOKE + listed)
        for user in self.members:
            self.sessions[user].process_proposals(davey.ProposalsOperationType.revoke, listed)

    def announce(self, transition: int, answer: "davey.CommitWelcome", newcomers: tuple[int, ...] = ()) -> None:
        """Send ops 29 and 30, and let all who are in the call go on to the next epoch."""
        self._tell(29, transition.to_bytes(2) + answer.commit)
        self.members = set(self.sessions)
        for user in self.members.difference(newcomers):
            self.sessions[user].process_commit(answer.commit)
        for user in newcomers:
            self._tell(30, transition.to_bytes(2) + answer.welcome)
            self.sessions[user].process_welcome(answer.welcome)
        self.epoch += 1

    def _signed(self, proposal: bytes) -> bytes:
        """Return an MLSMessage: group, epoch, external sender 0, no data, what is proposed, signature."""
        framed = vector(CHANNEL.to_bytes(8)) + self.epoch.to_bytes(8) + b"\2\0\0\0\0" + b"\0" + b"\2" + proposal
        signed = vector(b"MLS 1.0 FramedContentTBS") + vector(b"\0\1\0\1" + framed)
        return b"\0\1\0\1" + framed + vector(self._key.sign(signed, ec.ECDSA(SHA256())))

    def _tell(self, op: int, body: bytes) -> None:
        self.passed.append(Passed(len(self.passed).to_bytes(2) + bytes([op]) + body, from_client=False))

    def _hear(self, op: int, body: bytes) -> None:
        self.passed.append(Passed(bytes([op]) + body, from_client=True))
