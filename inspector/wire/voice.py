"""The voice gateway's binary messages: header, and the body of each opcode down to its MLS structures.

Layout of the header, by who sends and by the ``v`` of the URL:

    server, v >= 8      uint16 big-endian sequence, uint8 opcode, payload
    server, v < 8       uint8 opcode, payload
    client              uint8 opcode, payload

The frame type decides that a message is binary, never a table: opcode 29 is listed as JSON in some.

What `Payload.d` then holds; names inside MLS structures are those of RFC 9420, see `inspector.wire.mls`:

    25  signature_key, credential
    26  key_package, user_id; wrapped: whether it is in an MLSMessage
    27  operation "append": epoch, group_id, proposals: of each type, ref, user_id or removed, and the whole message
        operation "revoke": proposal_refs
    28  epoch, group_id, commit: the whole message; welcome, where there is one
    29  transition_id, epoch, group_id, commit
    30  transition_id, welcome; wrapped

What could not be read of a body is ``rest``, in hex, and `Payload.problems` says where it stopped and why. An extension
that is broken inside has a ``rest`` of its own, and what follows it is read.
"""

from collections.abc import Callable
from typing import Any

from inspector.model import Payload, Undecoded
from inspector.protocol.ops import VoiceOp
from inspector.wire.mls import Cursor, MlsError

# Binary opcodes that only the server sends: they tell where the opcode stands when the version is unknown.
_FROM_SERVER = frozenset(
    {
        VoiceOp.MLS_EXTERNAL_SENDER,
        VoiceOp.MLS_PROPOSALS,
        VoiceOp.MLS_ANNOUNCE_COMMIT,
        VoiceOp.MLS_WELCOME,
    }
)
_OPERATIONS = {0: "append", 1: "revoke"}
# An MLSMessage that begins so holds the structure that DAVE also sends bare.
_WRAPPED_KEY_PACKAGE, _WRAPPED_WELCOME = b"\x00\x01\x00\x05", b"\x00\x01\x00\x03"


def read_binary(data: bytes, from_client: bool, version: int | None) -> Payload | Undecoded:
    """Read one binary message; `data` is the whole message, `version` the URL's ``v``.

    A body that is cut short or not of the opcode's form is read as far as it goes.
    """
    header = 2 if not from_client and _has_sequence(data, version) else 0
    if len(data) <= header:
        found = f"a binary message of {len(data)} bytes is too short for {'a sequence and ' if header else ''}an opcode"
        return Undecoded("truncated", found, len(data))
    seq = int.from_bytes(data[:2]) if header else None
    op = data[header]
    cursor = Cursor(data[header + 1 :], header + 1)
    d: dict[str, Any] = {}
    problems: list[str] = []
    read = _BODIES.get(op)
    if read is not None:
        try:
            read(cursor, d)
        except MlsError as error:
            problems.append(f"it cannot be read past {error}")
        else:
            if cursor.left:
                cursor.note("d", cursor.at, f"{cursor.left:,} more bytes follow what op {op} holds")
    if cursor.left:
        d["rest"] = cursor.data[cursor.at :].hex()
    return Payload("binary", data, op, None, seq, d, {}, (*cursor.problems, *problems))


def _has_sequence(data: bytes, version: int | None) -> bool:
    if version is not None:
        return version >= 8
    if len(data) > 2 and data[2] in _FROM_SERVER:
        return True
    return not data or data[0] not in _FROM_SERVER


def _external_sender(cursor: Cursor, d: dict[str, Any]) -> None:
    cursor.read("ExternalSender", d, "d")


def _key_package(cursor: Cursor, d: dict[str, Any]) -> None:
    try:
        _maybe_wrapped(cursor, d, "key_package", "KeyPackage", _WRAPPED_KEY_PACKAGE)
    finally:
        d["user_id"] = _user_of(d["key_package"])


def _maybe_wrapped(cursor: Cursor, d: dict[str, Any], key: str, structure: str, wrapping: bytes) -> None:
    d["wrapped"] = cursor.data.startswith(wrapping, cursor.at)
    if d["wrapped"]:
        cursor.number(4, f"d.{key}")
    d[key] = {}
    cursor.read(structure, d[key], f"d.{key}")


def _proposals(cursor: Cursor, d: dict[str, Any]) -> None:
    operation = cursor.number(1, "d.operation")
    d["operation"] = _OPERATIONS.get(operation, operation)
    if operation not in _OPERATIONS:
        return
    key = "proposals" if operation == 0 else "proposal_refs"
    items = d[key] = []
    expected = cursor.length(f"d.{key}")
    begin, end = cursor.at, cursor.at + expected
    while cursor.left and cursor.at < end:
        path = f"d.{key}.{len(items)}"
        if operation == 1:
            items.append(cursor.opaque(path).hex())
            continue
        proposal: dict[str, Any] = {}
        message: dict[str, Any] = {}
        items.append(proposal)
        try:
            cursor.read("MLSMessage", message, path)
        finally:
            _describe(proposal, message)
            _place(d, message)
    if cursor.at != end:
        cursor.note(f"d.{key}", begin, f"{expected:,} bytes were announced, but its items have {cursor.at - begin:,}")


def _describe(proposal: dict[str, Any], message: dict[str, Any]) -> None:
    """Say what a proposal is about before the whole of it."""
    body = message.get("public_message", {}).get("proposal", {})
    if "proposal_type" in body:
        proposal["type"] = body["proposal_type"]
    if "key_package" in body:
        proposal["user_id"] = _user_of(body["key_package"])
    if "removed" in body:
        proposal["removed"] = body["removed"]
    if "ref" in message:
        proposal["ref"] = message["ref"]
    proposal["message"] = message


def _place(d: dict[str, Any], message: dict[str, Any]) -> None:
    """Say of which group and epoch a message is."""
    public = message.get("public_message", {})
    for key in ("epoch", "group_id"):
        if key in public:
            d.setdefault(key, public[key])


def _commit(cursor: Cursor, d: dict[str, Any]) -> None:
    message = d["commit"] = {}
    try:
        cursor.read("MLSMessage", message, "d.commit")
    finally:
        _place(d, message)


def _commit_welcome(cursor: Cursor, d: dict[str, Any]) -> None:
    _commit(cursor, d)
    if cursor.left:
        d["welcome"] = {}
        if cursor.data.startswith(_WRAPPED_WELCOME, cursor.at):
            cursor.number(4, "d.welcome")
        cursor.read("Welcome", d["welcome"], "d.welcome")


def _announced_commit(cursor: Cursor, d: dict[str, Any]) -> None:
    d["transition_id"] = cursor.number(2, "d.transition_id")
    _commit(cursor, d)


def _welcome(cursor: Cursor, d: dict[str, Any]) -> None:
    d["transition_id"] = cursor.number(2, "d.transition_id")
    _maybe_wrapped(cursor, d, "welcome", "Welcome", _WRAPPED_WELCOME)


def _user_of(key_package: dict[str, Any]) -> str | None:
    """Return the user id in the credential of a key package."""
    identity = key_package.get("leaf_node", {}).get("credential", {}).get("identity")
    return identity if isinstance(identity, str) else None


_BODIES: dict[int, Callable[[Cursor, dict[str, Any]], None]] = {
    VoiceOp.MLS_EXTERNAL_SENDER: _external_sender,
    VoiceOp.MLS_KEY_PACKAGE: _key_package,
    VoiceOp.MLS_PROPOSALS: _proposals,
    VoiceOp.MLS_COMMIT_WELCOME: _commit_welcome,
    VoiceOp.MLS_ANNOUNCE_COMMIT: _announced_commit,
    VoiceOp.MLS_WELCOME: _welcome,
}
