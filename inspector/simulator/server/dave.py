"""The voice server's side of an end-to-end encrypted call: the proposals it signs, and the commits it takes.

The rule: no sockets and no secrets of the group. Like Discord's server it stands outside, reads only what passes in
the clear, and cannot check what takes the group's key. It is written by hand and shares nothing with the decoder, so
that each can be held against the other. Layouts: https://www.rfc-editor.org/rfc/rfc9420.html, numbers:
https://daveprotocol.com.
"""

import hashlib
from collections.abc import Iterable
from dataclasses import dataclass

from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from inspector.simulator.server.connection import ScriptError

_MLS10 = b"\x00\x01"
_PUBLIC_MESSAGE = b"\x00\x01"
_BASIC_CREDENTIAL = b"\x00\x01"
_SUITE = b"\x00\x02"  # P-256, AES-128-GCM, SHA-256
_MEMBER, _EXTERNAL = b"\x01", b"\x02"
_PROPOSAL, _COMMIT = b"\x02", b"\x03"
_ADD, _REMOVE = b"\x00\x01", b"\x00\x03"
_BY_REFERENCE = 2
_APPEND, _REVOKE = b"\x00", b"\x01"


@dataclass(frozen=True, slots=True)
class Proposal:
    """One change of who is in the group, signed by the server."""

    user_id: int
    """Whom it adds or removes."""
    message: bytes
    """The MLSMessage."""
    ref: bytes
    """Its ProposalRef, 32 bytes."""
    package_ref: bytes | None
    """KeyPackageRef of the one it adds, 32 bytes; None where it removes."""


@dataclass(frozen=True, slots=True)
class ServerTransition:
    """A commit that won its epoch, as it is to be announced."""

    committer: int
    """User id."""
    commit: bytes
    """The MLSMessage, without the Welcome."""
    welcomes: dict[int, bytes]
    """For each user that it adds, the Welcome with no other's entry in it."""


class ExternalSender:
    """The server as MLS knows it: a key pair of its own, and a name."""

    def __init__(self) -> None:
        self._key = ec.generate_private_key(ec.SECP256R1())
        point = self._key.public_key().public_bytes(Encoding.X962, PublicFormat.UncompressedPoint)
        self.package = vector(point) + _BASIC_CREDENTIAL + vector(bytes(8))
        """The ExternalSender, as op 25 has it."""

    def sign(self, content: bytes) -> bytes:
        """Return the AuthenticatedContent of a FramedContent: wire format, content, signature.

        Of an external sender's message the group's context is no part: RFC 9420 section 6.1.
        """
        framed = _PUBLIC_MESSAGE + content
        signed = vector(b"MLS 1.0 FramedContentTBS") + vector(_MLS10 + framed)
        return framed + vector(self._key.sign(signed, ec.ECDSA(SHA256())))


class ServerGroup:
    """One MLS group: who is in it, at which leaf, in which epoch, and what is proposed."""

    def __init__(self, channel_id: int, sender: ExternalSender) -> None:
        self.epoch = 0
        """0 until a first commit has made the group."""
        self.members: dict[int, int] = {}
        """User ids by leaf index."""
        self.pending: list[Proposal] = []
        """What the next commit must cover, in the order of the proposals."""
        self._id = channel_id.to_bytes(8)
        self._sender = sender
        self._key_packages: dict[int, bytes] = {}

    def offer(self, user_id: int, key_package: bytes) -> None:
        """Keep a user's key package, bare or in an MLSMessage, until it is used in `add`.

        Raises `ScriptError` where it cannot be read or is in another's name.
        """
        bare = key_package[4:] if key_package[2:4] == b"\x00\x05" else key_package
        package = _Reader(bare, "the key package")
        if (package.take(2), package.take(2)) != (_MLS10, _SUITE):
            raise ScriptError(f"the key package of {user_id} is not of MLS 1.0 with ciphersuite 2")
        package.vector()
        identity = _read_leaf(package)
        if identity != user_id.to_bytes(8):
            raise ScriptError(f"the key package of {user_id} is in the name of {int.from_bytes(identity)}")
        self._key_packages[user_id] = bare

    def add(self, user_id: int) -> Proposal:
        """Propose to let in a user, which uses up the key package offered. Raises `ScriptError` where there is none."""
        package = self._key_packages.pop(user_id, None)
        if package is None:
            raise ScriptError(f"{user_id} cannot be added: there is no key package of theirs that is not used up")
        return self._propose(user_id, _ADD + package, _reference(b"KeyPackage", package))

    def remove(self, user_id: int) -> Proposal:
        """Propose to put out a member. Raises `ScriptError` where they are none."""
        leaf = next((leaf for leaf, member in self.members.items() if member == user_id), None)
        if leaf is None:
            raise ScriptError(f"{user_id} cannot be removed: they are not a member")
        return self._propose(user_id, _REMOVE + leaf.to_bytes(4), None)

    def withdraw(self, user_id: int) -> list[Proposal]:
        """Take back what is proposed about a user and return it."""
        withdrawn = [proposal for proposal in self.pending if proposal.user_id == user_id]
        self.pending = [proposal for proposal in self.pending if proposal.user_id != user_id]
        return withdrawn

    def commit(self, user_id: int, data: bytes) -> ServerTransition:
        """Take a user's commit, `data` as op 28 has it, and move to the next epoch.

        A commit must be of this group and epoch, by a member, and cover all that is pending and nothing else. Where no
        group was made yet anybody may make it; what is pending about themselves is settled by that. Raises
        `ScriptError` where the commit is none of this, and changes nothing.
        """
        message = _Reader(data, f"the commit of {user_id}")
        leaf, refs = _read_commit(message, self._id, self.epoch)
        members = self.members or {0: user_id}
        if members.get(leaf) != user_id:
            raise ScriptError(f"the commit of {user_id} is by leaf {leaf}, which is not theirs")
        asked = {p.ref: p for p in self.pending if self.members or p.user_id != user_id}
        if sorted(refs) != sorted(asked):
            raise ScriptError(f"the commit of {user_id} covers {len(refs)} proposals, not the {len(asked)} there are")
        welcomes = _split_welcome(data[message.at :], user_id)
        added = {asked[ref].package_ref: asked[ref].user_id for ref in refs if asked[ref].package_ref is not None}
        if added.keys() != welcomes.keys():
            raise ScriptError(f"the commit of {user_id} adds {len(added)} and welcomes {len(welcomes)}")

        removed = {asked[ref].user_id for ref in refs if asked[ref].package_ref is None}
        members = {leaf: member for leaf, member in members.items() if member not in removed}
        # RFC 9420 section 7.7: who is added gets the leftmost leaf that is blank, in the order of the commit.
        for newcomer in added.values():
            members[next(leaf for leaf in range(len(members) + 1) if leaf not in members)] = newcomer
        self.members, self.pending, self.epoch = members, [], self.epoch + 1
        return ServerTransition(user_id, data[: message.at], {added[ref]: welcome for ref, welcome in welcomes.items()})

    def _propose(self, user_id: int, body: bytes, package_ref: bytes | None) -> Proposal:
        sender = _EXTERNAL + bytes(4)  # the first and only one in the group's list
        content = vector(self._id) + self.epoch.to_bytes(8) + sender + vector(b"") + _PROPOSAL + body
        signed = self._sender.sign(content)
        proposal = Proposal(user_id, _MLS10 + signed, _reference(b"Proposal", signed), package_ref)
        self.pending.append(proposal)
        return proposal


def append(proposals: Iterable[Proposal]) -> bytes:
    """Return what op 27 says where these are new."""
    return _APPEND + vector(b"".join(proposal.message for proposal in proposals))


def revoke(proposals: Iterable[Proposal]) -> bytes:
    """Return what op 27 says where these are taken back."""
    return _REVOKE + vector(b"".join(vector(proposal.ref) for proposal in proposals))


def vector(data: bytes) -> bytes:
    """Return `data` with its length in front, in the fewest bytes: RFC 9420 section 2.1.2."""
    length = len(data)
    if length < 1 << 6:
        return length.to_bytes(1) + data
    if length < 1 << 14:
        return (length | 1 << 14).to_bytes(2) + data
    return (length | 1 << 31).to_bytes(4) + data


class _Reader:
    """Reads one thing after the other. Raises `ScriptError` at the end of the bytes."""

    def __init__(self, data: bytes, what: str) -> None:
        self.at = 0
        """Offset of what comes next."""
        self._data = data
        self._what = what

    def take(self, size: int) -> bytes:
        taken = self._data[self.at : self.at + size]
        if len(taken) < size:
            raise ScriptError(f"{self._what} ends after {len(self._data)} bytes, in the middle of something")
        self.at += size
        return taken

    def vector(self) -> bytes:
        first = self.take(1)[0]
        more = {0: 0, 1: 1, 2: 3}.get(first >> 6)
        if more is None:
            raise ScriptError(f"{self._what} has a length that begins with {first:#x} at {self.at - 1}; none does")
        return self.take(int.from_bytes(bytes((first & 0x3F,)) + self.take(more)))

    def ended(self) -> bool:
        return self.at == len(self._data)


def _read_leaf(reader: _Reader) -> bytes:
    """Pass over a LeafNode and return the identity in its credential."""
    reader.vector()  # encryption key
    reader.vector()  # signature key
    if reader.take(2) != _BASIC_CREDENTIAL:
        raise ScriptError("a leaf has a credential that is not basic")
    identity = reader.vector()
    for _ in range(5):
        reader.vector()  # capabilities
    match reader.take(1)[0]:
        case 1:
            reader.take(16)  # of a key package: lifetime
        case 3:
            reader.vector()  # of a commit: parent hash
    reader.vector()  # extensions
    reader.vector()  # signature
    return identity


def _read_commit(reader: _Reader, group_id: bytes, epoch: int) -> tuple[int, list[bytes]]:
    """Pass over an MLSMessage with a member's commit; return the sender's leaf and the references in it."""
    if (reader.take(2), reader.take(2)) != (_MLS10, _PUBLIC_MESSAGE):
        raise ScriptError("a commit is not a public message of MLS 1.0")
    if (group := reader.vector()) != group_id:
        raise ScriptError(f"a commit is for group {group.hex()}, and this is {group_id.hex()}")
    if (theirs := int.from_bytes(reader.take(8))) != epoch:
        raise ScriptError(f"a commit is for epoch {theirs}, and this is {epoch}")
    if reader.take(1) != _MEMBER:
        raise ScriptError("a commit is not by a member")
    leaf = int.from_bytes(reader.take(4))
    reader.vector()  # authenticated data
    if reader.take(1) != _COMMIT:
        raise ScriptError("a message that should be a commit is something else")
    proposals = _Reader(reader.vector(), "the list of proposals in a commit")
    refs = []
    while not proposals.ended():
        if proposals.take(1)[0] != _BY_REFERENCE:
            raise ScriptError("a commit has a proposal of its own in it")
        refs.append(proposals.vector())
    if reader.take(1)[0]:
        _read_leaf(reader)
        reader.vector()  # the path's nodes
    for _ in ("signature", "confirmation tag", "membership tag"):
        reader.vector()
    return leaf, refs


def _split_welcome(data: bytes, user_id: int) -> dict[bytes | None, bytes]:
    """Return, by KeyPackageRef, the Welcome for each new member on their own. No bytes welcome no one."""
    if not data:
        return {}
    welcome = _Reader(data, f"the welcome of {user_id}")
    suite = welcome.take(2)
    secrets = _Reader(welcome.vector(), f"the list of secrets in the welcome of {user_id}")
    info = vector(welcome.vector())
    if not welcome.ended():
        raise ScriptError(f"the welcome of {user_id} has more bytes than it says")
    welcomes: dict[bytes | None, bytes] = {}
    while not secrets.ended():
        ref, kem_output, ciphertext = secrets.vector(), secrets.vector(), secrets.vector()
        welcomes[ref] = suite + vector(vector(ref) + vector(kem_output) + vector(ciphertext)) + info
    return welcomes


def _reference(kind: bytes, value: bytes) -> bytes:
    """Return the reference to a proposal or key package: RFC 9420 section 5.2."""
    return hashlib.sha256(vector(b"MLS 1.0 " + kind + b" Reference") + vector(value)).digest()
