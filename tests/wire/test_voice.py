from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from inspector.model import Payload, Undecoded
from inspector.wire.voice import read_binary
from tests.wire.dave_frames import (
    APPEND,
    APPEND_ADD,
    COMMIT,
    COMMIT_WELCOME,
    EXTERNAL_SENDER,
    FRAMES,
    KEY_PACKAGE,
    REVOKE,
    WELCOME,
    WRAPPED_KEY_PACKAGE,
    WRAPPED_WELCOME,
    from_client,
)

pytestmark = pytest.mark.compat

CHANNEL, USER = "127121515262115840", "104694319306248192"
WITH_SEQUENCE = bytes.fromhex("01041b") + b"12345"
WITHOUT = bytes.fromhex("1b") + b"12345"
SUITE = "MLS_128_DHKEMP256_AES128GCM_SHA256_P256"


def read(frame: bytes) -> Payload:
    what = read_binary(frame, from_client(frame), 8)
    assert isinstance(what, Payload)
    return what


def body(frame: bytes) -> Any:
    """Return the body of a frame that is right to its last byte."""
    what = read(frame)
    assert (what.problems, "rest" in what.d) == ((), False)
    return what.d


@pytest.mark.parametrize(
    ("data", "from_client", "version", "expected"),
    [
        (WITH_SEQUENCE, False, 8, (27, 260, "32333435")),
        (WITH_SEQUENCE, False, 9, (27, 260, "32333435")),
        (WITHOUT, False, 7, (27, None, "32333435")),
        (WITHOUT, False, 4, (27, None, "32333435")),
        # Without a version, the opcodes that only the server sends tell where the opcode stands.
        (WITH_SEQUENCE, False, None, (27, 260, "32333435")),
        (WITHOUT, False, None, (27, None, "32333435")),
        (b"\x00\x1d\x63!", False, None, (99, 29, "21")),
        (b"\x1a" + b"key", True, 8, (26, None, "79")),
        (b"\x1c", True, None, (28, None, None)),
        (b"\x00\x00\x1d", False, 8, (29, 0, None)),
    ],
)
def test_a_binary_message_has_an_opcode_a_sequence_and_a_body(
    data: bytes, from_client: bool, version: int | None, expected: tuple[int, int | None, str | None]
) -> None:
    what = read_binary(data, from_client, version)
    assert isinstance(what, Payload)
    assert (what.op, what.seq, what.d.get("rest")) == expected
    assert (what.encoding, what.data) == ("binary", data)


@pytest.mark.parametrize(
    ("data", "from_client", "version"),
    [(b"\x00\x01", False, 8), (b"\x01", False, None), (b"", False, None), (b"", True, 8), (b"", False, 4)],
)
def test_a_message_too_short_for_its_header_is_truncated(data: bytes, from_client: bool, version: int | None) -> None:
    what = read_binary(data, from_client, version)
    assert isinstance(what, Undecoded)
    assert (what.reason, what.offset) == ("truncated", len(data))


def test_an_external_sender_has_a_key_and_a_name() -> None:
    assert body(EXTERNAL_SENDER) == {
        "signature_key": "04" + "10" * 64,
        "credential": {"credential_type": "basic", "identity": "0"},
    }


@pytest.mark.parametrize(("frame", "wrapped"), [(KEY_PACKAGE, False), (WRAPPED_KEY_PACKAGE, True)])
def test_a_key_package_comes_bare_or_wrapped(frame: bytes, wrapped: bool) -> None:
    assert body(frame) == {
        "wrapped": wrapped,
        "key_package": {
            "version": "mls10",
            "cipher_suite": SUITE,
            "init_key": "04" + "44" * 64,
            "leaf_node": {
                "encryption_key": "04" + "11" * 64,
                "signature_key": "04" + "22" * 64,
                "credential": {"credential_type": "basic", "identity": USER},
                "capabilities": {
                    "versions": ["mls10"],
                    "cipher_suites": [SUITE],
                    "extensions": [],
                    "proposals": [],
                    "credentials": ["basic"],
                },
                "leaf_node_source": "key_package",
                "not_before": 0,
                "not_after": 2**64 - 1,
                "extensions": [],
                "signature": "33" * 70,
            },
            "extensions": [],
            "signature": "55" * 70,
            "ref": body(KEY_PACKAGE)["key_package"]["ref"],
        },
        "user_id": USER,
    }


def test_a_proposal_to_remove_names_the_leaf() -> None:
    d = body(APPEND)
    (proposal,) = d["proposals"]
    assert (d["operation"], d["epoch"], d["group_id"]) == ("append", 1, CHANNEL)
    assert (proposal["type"], proposal["removed"]) == ("remove", 2)
    assert proposal["message"]["public_message"] == {
        "group_id": CHANNEL,
        "epoch": 1,
        "sender_type": "external",
        "sender_index": 0,
        "authenticated_data": "",
        "content_type": "proposal",
        "proposal": {"proposal_type": "remove", "removed": 2},
        "signature": "66" * 70,
    }


def test_a_proposal_to_add_names_the_user() -> None:
    (proposal,) = body(APPEND_ADD)["proposals"]
    assert (proposal["type"], proposal["user_id"]) == ("add", USER)
    assert proposal["message"]["public_message"]["proposal"]["key_package"] == body(KEY_PACKAGE)["key_package"]


def test_proposals_that_are_taken_back_are_named_by_reference() -> None:
    assert body(REVOKE) == {"operation": "revoke", "proposal_refs": ["aa" * 32]}


def test_an_announced_commit_has_a_transition_and_what_it_takes_up() -> None:
    d = body(COMMIT)
    assert (d["transition_id"], d["epoch"], d["group_id"]) == (7, 1, CHANNEL)
    public = d["commit"]["public_message"]
    assert (public["sender_type"], public["leaf_index"]) == ("member", 0)
    assert public["commit"] == {"proposals": [{"type": "reference", "reference": "aa" * 32}], "path": None}
    tags = public["signature"], public["confirmation_tag"], public["membership_tag"]
    assert tags == ("77" * 70, "88" * 32, "99" * 32)


@pytest.mark.parametrize(("frame", "wrapped"), [(WELCOME, False), (WRAPPED_WELCOME, True)])
def test_a_welcome_comes_bare_or_wrapped(frame: bytes, wrapped: bool) -> None:
    assert body(frame) == {
        "transition_id": 7,
        "wrapped": wrapped,
        "welcome": {
            "cipher_suite": SUITE,
            "secrets": [
                {
                    "new_member": "dd" * 32,
                    "encrypted_group_secrets": {"kem_output": "04" + "bb" * 64, "ciphertext": "cc" * 80},
                }
            ],
            "encrypted_group_info": "ee" * 96,
        },
    }


@pytest.mark.parametrize("welcome", [WELCOME[5:], WRAPPED_WELCOME[5:]])
def test_a_commit_of_the_client_is_followed_by_a_welcome(welcome: bytes) -> None:
    d = body(b"\x1c" + COMMIT[5:] + welcome)
    assert d["commit"] == body(COMMIT)["commit"]
    assert d["welcome"] == body(WELCOME)["welcome"]


def test_a_commit_that_adds_nobody_has_no_welcome() -> None:
    assert body(b"\x1c" + COMMIT[5:]) == {key: body(COMMIT)[key] for key in ("commit", "epoch", "group_id")}


@pytest.mark.parametrize("frame", FRAMES.values(), ids=FRAMES)
def test_what_is_cut_short_is_read_as_far_as_it_goes(frame: bytes) -> None:
    complete, seen = body(frame), 0
    # Of what comes wrapped, the first bytes cannot be told from what is bare.
    begin = 9 if complete.get("wrapped") else 1 if from_client(frame) else 3
    for end in range(begin, len(frame)):
        what = read(frame[:end])
        if frame is COMMIT_WELCOME and end == len(COMMIT) - 4:
            continue  # A commit without a welcome is whole.
        assert len(what.problems) == 1
        assert " at byte " in what.problems[0]
        assert what.problems[0].split(" at byte ")[0].split()[-1].startswith("d.")
        assert frame[:end].endswith(bytes.fromhex(what.d.pop("rest", "")))
        assert kept(what.d, complete)
        seen, before = leaves(what.d), seen
        assert seen >= before


def kept(part: Any, of: Any) -> bool:
    """Return whether everything in `part` stands in the same place of `of`."""
    if isinstance(part, dict):
        return all(key in of and kept(value, of[key]) for key, value in part.items() if value is not None)
    if isinstance(part, list):
        return all(kept(value, of[n]) for n, value in enumerate(part))
    return bool(part == of) or isinstance(part, bool)


def leaves(value: Any) -> int:
    if isinstance(value, dict | list):
        return sum(leaves(inner) for inner in (value.values() if isinstance(value, dict) else value))
    return int(value is not None)


@pytest.mark.parametrize(
    ("cut", "problem", "rest"),
    [
        (1, "it cannot be read past d.key_package.version at byte 1: 2 bytes were expected, 0 are there", None),
        (
            8,
            "it cannot be read past d.key_package.init_key at byte 7: 65 bytes were expected, 1 are there",
            "404104",
        ),
        (
            221,
            "it cannot be read past d.key_package.leaf_node.capabilities.cipher_suites at byte 221: "
            "it should have 2 more bytes",
            None,
        ),
    ],
)
def test_what_is_missing_is_named_with_its_path_and_offset(cut: int, problem: str, rest: str | None) -> None:
    what = read(KEY_PACKAGE[:cut])
    assert (what.problems, what.d.get("rest")) == ((problem,), rest)


def test_a_key_package_that_is_cut_short_still_names_its_user() -> None:
    assert read(KEY_PACKAGE[:230]).d["user_id"] == USER


@pytest.mark.parametrize("frame", FRAMES.values(), ids=FRAMES)
def test_bytes_that_follow_are_shown(frame: bytes) -> None:
    what = read(frame + b"\xfe\xed")
    assert what.d == body(frame) | {"rest": "feed"}
    assert what.problems == (f"d at byte {len(frame)}: 2 more bytes follow what op {what.op} holds",)


def test_a_length_that_is_not_the_shortest_is_noticed_and_read() -> None:
    what = read(b"\0\x03\x1b\1\x40\x21\x20" + REVOKE[6:])
    assert what.d == body(REVOKE)
    assert what.problems == ("d.proposal_refs at byte 4: the length 33 is not in its shortest form",)


def test_a_length_that_is_none_ends_it() -> None:
    what = read(b"\0\x03\x1b\1\xc0\x21")
    assert what.d == {"operation": "revoke", "proposal_refs": [], "rest": "c021"}
    assert "d.proposal_refs at byte 4: a length cannot begin with the bits 11" in what.problems[0]


def test_a_list_that_is_longer_than_its_items_is_noticed() -> None:
    what = read(REVOKE[:4] + b"\x22" + REVOKE[5:])
    assert what.d == body(REVOKE)
    assert what.problems == ("d.proposal_refs at byte 5: 34 bytes were announced, but its items have 33",)


@pytest.mark.parametrize("data", [b"\0\x03\x1b\7\1\2", b"\0\x03\x63\7\1\2"])
def test_what_is_unknown_is_kept(data: bytes) -> None:
    assert read(data).d["rest"].endswith("0102")


@given(data=st.binary(max_size=400), client=st.booleans(), version=st.sampled_from([None, 4, 8]))
def test_any_bytes_are_read(data: bytes, client: bool, version: int | None) -> None:
    read_binary(data, client, version)


@given(op=st.integers(25, 30), data=st.binary(max_size=200))
def test_any_body_is_kept_where_it_is_not_understood(op: int, data: bytes) -> None:
    what = read_binary(b"\0\0" + bytes([op]) + data, False, 8)
    assert isinstance(what, Payload)
    rest = bytes.fromhex(what.d.get("rest", ""))
    assert data.endswith(rest)
    assert what.problems or not rest


@given(
    frame=st.sampled_from(list(FRAMES.values())),
    at=st.integers(0, 400),
    removed=st.integers(0, 8),
    put=st.binary(max_size=8),
)
def test_a_frame_in_which_anything_was_changed_is_read(frame: bytes, at: int, removed: int, put: bytes) -> None:
    header = 1 if from_client(frame) else 3
    at = header + at % (len(frame) - header)
    changed = frame[:at] + put + frame[at + removed :]
    assert read(changed).data == changed
