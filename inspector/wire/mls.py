"""Structures of Messaging Layer Security as DAVE sends them: bytes to dictionaries, bounded, keeping what can be read.

The layouts are below as data, in the order and with the names of RFC 9420. A number that has a name reads as that
name, any other as itself; opaque bytes read as hex. Group ids and identities of eight bytes are Discord's ids, and read
as those. Nothing is verified or decrypted.

The library rfc9420 (tried at 1.3.0) reads the same bytes; of those that are cut short or do not fit it gives an error
and nothing else, and here what comes before the damage is what matters. The tests read with it what this module reads.

Source: https://www.rfc-editor.org/rfc/rfc9420, sections 2.1, 5 to 7 and 12; section numbers are next to the layouts.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from hashlib import sha256
from typing import Any

from inspector.words import counted

# Fields that are read of one message, and how deep they may be in each other. Real messages have some hundred.
MAX_FIELDS, MAX_DEPTH = 20_000, 24

Numbers = Mapping[int, str]

WIRE_FORMATS: Numbers = {
    1: "public_message",
    2: "private_message",
    3: "welcome",
    4: "group_info",
    5: "key_package",
}
CIPHER_SUITES: Numbers = {
    1: "MLS_128_DHKEMX25519_AES128GCM_SHA256_Ed25519",
    2: "MLS_128_DHKEMP256_AES128GCM_SHA256_P256",
    3: "MLS_128_DHKEMX25519_CHACHA20POLY1305_SHA256_Ed25519",
    4: "MLS_256_DHKEMX448_AES256GCM_SHA512_Ed448",
    5: "MLS_256_DHKEMP521_AES256GCM_SHA512_P521",
    6: "MLS_256_DHKEMX448_CHACHA20POLY1305_SHA512_Ed448",
    7: "MLS_256_DHKEMP384_AES256GCM_SHA384_P384",
}
PROPOSALS: Numbers = {
    1: "add",
    2: "update",
    3: "remove",
    4: "psk",
    5: "reinit",
    6: "external_init",
    7: "group_context_extensions",
}
EXTENSIONS: Numbers = {
    1: "application_id",
    2: "ratchet_tree",
    3: "required_capabilities",
    4: "external_pub",
    5: "external_senders",
}
CREDENTIALS: Numbers = {1: "basic", 2: "x509"}


@dataclass(frozen=True, slots=True)
class Number:
    """An unsigned integer of so many bytes, big-endian."""

    size: int
    names: Numbers = field(default_factory=dict, hash=False)


@dataclass(frozen=True, slots=True)
class Opaque:
    """Bytes with their length before them."""

    is_id: bool = False
    """Eight of them are an id of Discord's."""


@dataclass(frozen=True, slots=True)
class Items:
    """Things one after the other, with their length in bytes before them all."""

    of: "Type"


@dataclass(frozen=True, slots=True)
class Maybe:
    """A byte that is 1 where the thing follows."""

    of: "Type"


@dataclass(frozen=True, slots=True)
class Chosen:
    """Fields that depend on what was in another: by its name or number. Others than these have none."""

    by: str
    cases: Mapping[str, "Layout"] = field(hash=False)


@dataclass(frozen=True, slots=True)
class Whole:
    """A structure inside bytes with their length before them, of the kind that another field names."""

    by: str
    cases: Mapping[str, str] = field(hash=False)


Type = Number | Opaque | Items | Maybe | str
"""A name is that of a structure in `STRUCTURES`."""
Layout = tuple[tuple[str, Type | Whole] | Chosen, ...]

U8, U16, U32, U64 = Number(1), Number(2), Number(4), Number(8)
OPAQUE, ID = Opaque(), Opaque(is_id=True)
VERSION = Number(2, {1: "mls10"})
SUITE = Number(2, CIPHER_SUITES)
EXTENSION_LIST = Items("Extension")

STRUCTURES: dict[str, Layout] = {
    "MLSMessage": (  # 6
        ("version", VERSION),
        ("wire_format", Number(2, WIRE_FORMATS)),
        Chosen(
            "wire_format",
            {
                "public_message": (("public_message", "PublicMessage"),),
                "private_message": (("private_message", "PrivateMessage"),),
                "welcome": (("welcome", "Welcome"),),
                "group_info": (("group_info", "GroupInfo"),),
                "key_package": (("key_package", "KeyPackage"),),
            },
        ),
    ),
    "PublicMessage": (  # 6.2
        ("group_id", ID),
        ("epoch", U64),
        ("sender_type", Number(1, {1: "member", 2: "external", 3: "new_member_proposal", 4: "new_member_commit"})),
        Chosen("sender_type", {"member": (("leaf_index", U32),), "external": (("sender_index", U32),)}),
        ("authenticated_data", OPAQUE),
        ("content_type", Number(1, {1: "application", 2: "proposal", 3: "commit"})),
        Chosen(
            "content_type",
            {
                "application": (("application_data", OPAQUE),),
                "proposal": (("proposal", "Proposal"),),
                "commit": (("commit", "Commit"),),
            },
        ),
        ("signature", OPAQUE),
        Chosen("content_type", {"commit": (("confirmation_tag", OPAQUE),)}),
        Chosen("sender_type", {"member": (("membership_tag", OPAQUE),)}),
    ),
    "PrivateMessage": (  # 6.3
        ("group_id", ID),
        ("epoch", U64),
        ("content_type", U8),
        ("authenticated_data", OPAQUE),
        ("encrypted_sender_data", OPAQUE),
        ("ciphertext", OPAQUE),
    ),
    "KeyPackage": (  # 10
        ("version", VERSION),
        ("cipher_suite", SUITE),
        ("init_key", OPAQUE),
        ("leaf_node", "LeafNode"),
        ("extensions", EXTENSION_LIST),
        ("signature", OPAQUE),
    ),
    "LeafNode": (  # 7.2
        ("encryption_key", OPAQUE),
        ("signature_key", OPAQUE),
        ("credential", "Credential"),
        ("capabilities", "Capabilities"),
        ("leaf_node_source", Number(1, {1: "key_package", 2: "update", 3: "commit"})),
        Chosen(
            "leaf_node_source",
            {
                "key_package": (("not_before", U64), ("not_after", U64)),
                "commit": (("parent_hash", OPAQUE),),
            },
        ),
        ("extensions", EXTENSION_LIST),
        ("signature", OPAQUE),
    ),
    "Credential": (  # 5.3
        ("credential_type", Number(2, CREDENTIALS)),
        Chosen("credential_type", {"basic": (("identity", ID),), "x509": (("certificates", Items(OPAQUE)),)}),
    ),
    "Capabilities": (  # 7.2
        ("versions", Items(VERSION)),
        ("cipher_suites", Items(SUITE)),
        ("extensions", Items(Number(2, EXTENSIONS))),
        ("proposals", Items(Number(2, PROPOSALS))),
        ("credentials", Items(Number(2, CREDENTIALS))),
    ),
    "Extension": (  # 13.4
        ("extension_type", Number(2, EXTENSIONS)),
        (
            "extension_data",
            Whole(
                "extension_type",
                {"external_senders": "ExternalSenders", "required_capabilities": "RequiredCapabilities"},
            ),
        ),
    ),
    "ExternalSenders": (("external_senders", Items("ExternalSender")),),  # 12.1.8.1
    "ExternalSender": (("signature_key", OPAQUE), ("credential", "Credential")),
    "RequiredCapabilities": (  # 7.2
        ("extension_types", Items(Number(2, EXTENSIONS))),
        ("proposal_types", Items(Number(2, PROPOSALS))),
        ("credential_types", Items(Number(2, CREDENTIALS))),
    ),
    "Proposal": (  # 12.1
        ("proposal_type", Number(2, PROPOSALS)),
        Chosen(
            "proposal_type",
            {
                "add": (("key_package", "KeyPackage"),),
                "update": (("leaf_node", "LeafNode"),),
                "remove": (("removed", U32),),
                "psk": (("psk", "PreSharedKeyID"),),
                "reinit": (
                    ("group_id", ID),
                    ("version", VERSION),
                    ("cipher_suite", SUITE),
                    ("extensions", EXTENSION_LIST),
                ),
                "external_init": (("kem_output", OPAQUE),),
                "group_context_extensions": (("extensions", EXTENSION_LIST),),
            },
        ),
    ),
    "PreSharedKeyID": (  # 8.4
        ("psktype", Number(1, {1: "external", 2: "resumption"})),
        Chosen(
            "psktype",
            {
                "external": (("psk_id", OPAQUE),),
                "resumption": (("usage", U8), ("psk_group_id", ID), ("psk_epoch", U64)),
            },
        ),
        ("psk_nonce", OPAQUE),
    ),
    "Commit": (("proposals", Items("ProposalOrRef")), ("path", Maybe("UpdatePath"))),  # 12.4
    "ProposalOrRef": (
        ("type", Number(1, {1: "proposal", 2: "reference"})),
        Chosen("type", {"proposal": (("proposal", "Proposal"),), "reference": (("reference", OPAQUE),)}),
    ),
    "UpdatePath": (("leaf_node", "LeafNode"), ("nodes", Items("UpdatePathNode"))),  # 7.6
    "UpdatePathNode": (("encryption_key", OPAQUE), ("encrypted_path_secret", Items("HPKECiphertext"))),
    "HPKECiphertext": (("kem_output", OPAQUE), ("ciphertext", OPAQUE)),
    "Welcome": (  # 12.4.3.1
        ("cipher_suite", SUITE),
        ("secrets", Items("EncryptedGroupSecrets")),
        ("encrypted_group_info", OPAQUE),
    ),
    "EncryptedGroupSecrets": (("new_member", OPAQUE), ("encrypted_group_secrets", "HPKECiphertext")),
    "GroupContext": (  # 8.1
        ("version", VERSION),
        ("cipher_suite", SUITE),
        ("group_id", ID),
        ("epoch", U64),
        ("tree_hash", OPAQUE),
        ("confirmed_transcript_hash", OPAQUE),
        ("extensions", EXTENSION_LIST),
    ),
    "GroupInfo": (  # 12.4.3
        ("group_context", "GroupContext"),
        ("extensions", EXTENSION_LIST),
        ("confirmation_tag", OPAQUE),
        ("signer", U32),
        ("signature", OPAQUE),
    ),
}


class MlsError(ValueError):
    """A structure that cannot be read any further."""

    def __init__(self, path: str, offset: int, what: str) -> None:
        super().__init__(f"{path} at byte {offset}: {what}")


class Cursor:
    """Reads structures from `data`, one after the other.

    `offset` is the place of `data` in the message, for what is said of it. Whatever was read before a structure turned
    out to be broken stays in the dictionary that was being filled.
    """

    def __init__(self, data: bytes, offset: int = 0) -> None:
        self.data = data
        self.at = 0
        self.problems: list[str] = []
        """What is wrong with what could be read all the same."""
        self._end = len(data)
        self._offset = offset
        self._fields = 0

    @property
    def left(self) -> int:
        """Bytes that have not been read."""
        return self._end - self.at

    def read(self, name: str, into: dict[str, Any], path: str = "") -> None:
        """Read the structure `name` into `into`. Raises `MlsError` where it is cut short or beyond the limits."""
        self._read(name, into, path or name, 0)

    def number(self, size: int, path: str) -> int:
        """Read an integer of `size` bytes. Raises `MlsError` where there is not that much."""
        return int.from_bytes(self._bytes(size, path))

    def length(self, path: str) -> int:
        """Read the length of a vector (section 2.1.2). Raises `MlsError` where it is none."""
        start = self.at
        size = 1 << (self.number(1, path) >> 6)
        self.at = start
        if size == 8:
            raise self._error(path, "a length cannot begin with the bits 11")
        value = self.number(size, path) & (1 << (8 * size - 2)) - 1
        if size > 1 and value < 1 << (8 * (size // 2) - 2):
            self.note(path, start, f"the length {value} is not in its shortest form")
        return value

    def opaque(self, path: str) -> bytes:
        """Read bytes with their length before them. Raises `MlsError` where they are not all there."""
        self._count(path)
        return self._vector(path)

    def note(self, path: str, at: int, what: str) -> None:
        """Note a problem with what is at `at` that does not keep anything from being read."""
        self.problems.append(f"{path} at byte {self._offset + at}: {what}")

    def _read(self, name: str, into: dict[str, Any], path: str, depth: int) -> None:
        if depth > MAX_DEPTH:
            raise self._error(path, f"structures nest more than {MAX_DEPTH} deep")
        start = self.at
        self._layout(STRUCTURES[name], into, path, depth)
        finish = _FINISH.get(name)
        if finish is not None:
            finish(into, self.data[start : self.at])

    def _layout(self, layout: Layout, into: dict[str, Any], path: str, depth: int) -> None:
        for part in layout:
            if isinstance(part, Chosen):
                self._layout(part.cases.get(str(into[part.by]), ()), into, path, depth)
                continue
            name, kind = part
            self._count(path)
            if isinstance(kind, Whole):
                self._whole(name, kind, into, f"{path}.{name}", depth)
            else:
                self._value(kind, into, name, f"{path}.{name}", depth)

    def _value(self, kind: Type, into: Any, name: str, path: str, depth: int) -> None:
        """Read a value and put it into `into` under `name`, into a list at its end."""

        def put(value: Any) -> None:
            if isinstance(into, list):
                into.append(value)
            else:
                into[name] = value

        match kind:
            case Number():
                value = self.number(kind.size, path)
                put(kind.names.get(value, value))
            case Opaque():
                put(_shown(self._vector(path), kind.is_id))
            case Maybe():
                there = self.number(1, path)
                if there not in (0, 1):
                    self.at -= 1
                    raise self._error(path, f"{there} says neither that it is present nor that it is absent")
                if there:
                    self._value(kind.of, into, name, path, depth)
                else:
                    put(None)
            case Items():
                items: list[Any] = []
                put(items)
                self._items(kind.of, items, path, depth)
            case str():
                made: dict[str, Any] = {}
                put(made)
                self._read(kind, made, path, depth + 1)

    def _items(self, kind: Type, items: list[Any], path: str, depth: int) -> None:
        size = self.length(path)
        outer, inner = self._end, self.at + size
        self._end = min(inner, outer)
        try:
            while self.at < self._end:
                self._count(path)
                self._value(kind, items, "", f"{path}.{len(items)}", depth)
        finally:
            self._end = outer
        if inner > outer:
            raise self._error(path, f"it should have {inner - outer:,} more bytes")

    def _whole(self, name: str, kind: Whole, into: dict[str, Any], path: str, depth: int) -> None:
        structure = kind.cases.get(str(into[kind.by]))
        data = self._vector(path)
        if structure is None:
            into[name] = data.hex()
            return
        made: dict[str, Any] = {}
        into[name] = made
        inside = Cursor(data, self._offset + self.at - len(data))
        inside._fields = self._fields
        # Its end is known, whatever it holds: what comes after can be read in any case.
        try:
            inside._read(structure, made, path, depth + 1)
        except MlsError as error:
            inside.problems.append(str(error))
        else:
            if inside.left:
                inside.note(path, inside.at, f"{inside.left:,} bytes follow what it should hold")
        if inside.left:
            made["rest"] = data[inside.at :].hex()
        self._fields = inside._fields
        self.problems += inside.problems

    def _count(self, path: str) -> None:
        self._fields += 1
        if self._fields > MAX_FIELDS:
            raise self._error(path, f"more than {MAX_FIELDS:,} fields")

    def _vector(self, path: str) -> bytes:
        start = self.at
        try:
            return self._bytes(self.length(path), path)
        except MlsError:
            # The length is part of what could not be read.
            self.at = start
            raise

    def _bytes(self, size: int, path: str) -> bytes:
        if size > self.left:
            raise self._error(path, f"{counted(size, 'byte was/bytes were')} expected, {self.left:,} are there")
        self.at += size
        return self.data[self.at - size : self.at]

    def _error(self, path: str, what: str) -> MlsError:
        return MlsError(path, self._offset + self.at, what)


def reference(label: str, value: bytes) -> str:
    """Return the hash by which a key package or a proposal is referred to, in hex (section 5.2, with SHA-256)."""
    hashed = sha256()
    for part in (f"MLS 1.0 {label} Reference".encode(), value):
        hashed.update(_length(len(part)) + part)
    return hashed.hexdigest()


def _length(size: int) -> bytes:
    if size < 1 << 6:
        return size.to_bytes(1)
    if size < 1 << 14:
        return (size | 1 << 14).to_bytes(2)
    return (size | 2 << 30).to_bytes(4)


def _shown(data: bytes, is_id: bool) -> str:
    return str(int.from_bytes(data)) if is_id and len(data) == 8 else data.hex()


def _finish_key_package(made: dict[str, Any], data: bytes) -> None:
    if "SHA256" in str(made["cipher_suite"]):
        made["ref"] = reference("KeyPackage", data)


def _finish_message(made: dict[str, Any], data: bytes) -> None:
    message = made.get("public_message")
    if message and message.get("content_type") == "proposal" and message.get("sender_type") != "member":
        # What is hashed is all but the version; a member's message has a tag at its end that is not part of it.
        made["ref"] = reference("Proposal", data[2:])


_FINISH: dict[str, Callable[[dict[str, Any], bytes], None]] = {
    "KeyPackage": _finish_key_package,
    "MLSMessage": _finish_message,
}
