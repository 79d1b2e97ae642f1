"""MLS structures, on bytes that real libraries make and on bytes that nobody should send."""

from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from inspector.model import Payload
from inspector.wire.mls import MAX_DEPTH, MAX_FIELDS, STRUCTURES, Cursor, MlsError, reference
from inspector.wire.voice import read_binary

davey = pytest.importorskip("davey")

USER, OTHER, CHANNEL = 1180000000000000001, 1180000000000000002, 1180000000000000050
KEY, SIGNATURE, HASH = b"\x40\x41\x04" + bytes(64), b"\x40\x46" + bytes(range(70)), b"\x20" + bytes(32)
GROUP = b"\x08" + CHANNEL.to_bytes(8)


def sized(data: bytes) -> bytes:
    """Put the length before some bytes."""
    size = len(data)
    return (size.to_bytes(1) if size < 64 else (size | 1 << 14).to_bytes(2)) + data


CREDENTIAL = b"\x00\x01" + sized(USER.to_bytes(8))
REMOVE = b"\x00\x03" + (2).to_bytes(4)
FROM_SERVER = b"\x00\x01\x00\x01" + GROUP + (1).to_bytes(8) + b"\x02" + bytes(4) + b"\x00"
FROM_MEMBER = b"\x00\x01\x00\x01" + GROUP + (1).to_bytes(8) + b"\x01" + (3).to_bytes(4) + b"\x00"
PROPOSAL = FROM_SERVER + b"\x02" + REMOVE + SIGNATURE
COMMIT = FROM_MEMBER + b"\x03" + sized(b"\x02" + HASH) + b"\x00" + SIGNATURE + HASH + HASH
SECRET = HASH + KEY + sized(bytes(80))
WELCOME = b"\x00\x02" + sized(SECRET) + sized(bytes(100))

FRAMES: dict[str, tuple[bytes, bool]] = {
    "external sender": (b"\x00\x01\x19" + KEY + CREDENTIAL, False),
    "proposals": (b"\x00\x02\x1b\x00" + sized(PROPOSAL), False),
    "revoked proposals": (b"\x00\x03\x1b\x01" + sized(HASH), False),
    "commit and welcome": (b"\x1c" + COMMIT + WELCOME, True),
    "announced commit": (b"\x00\x04\x1d\x00\x07" + COMMIT, False),
    "welcome": (b"\x00\x05\x1e\x00\x07" + WELCOME, False),
    "wrapped welcome": (b"\x00\x05\x1e\x00\x07\x00\x01\x00\x03" + WELCOME, False),
    "key package": (b"\x1a" + davey.DaveSession(1, USER, CHANNEL).get_serialized_key_package(), True),
}


def body(data: bytes, from_client: bool = False) -> tuple[dict[str, Any], tuple[str, ...]]:
    what = read_binary(data, from_client, 8)
    assert isinstance(what, Payload)
    return what.d, what.problems


@pytest.mark.parametrize("name", FRAMES)
def test_every_structure_is_read_to_its_last_byte(name: str) -> None:
    d, problems = body(*FRAMES[name])
    assert problems == ()
    assert "rest" not in d


def test_ids_epochs_and_leaves_are_spelled_out() -> None:
    d, _ = body(*FRAMES["proposals"])
    [proposal] = d["proposals"]
    assert (d["operation"], d["epoch"], d["group_id"]) == ("append", 1, str(CHANNEL))
    assert (proposal["type"], proposal["removed"]) == ("remove", 2)
    assert body(*FRAMES["external sender"])[0]["credential"] == {"credential_type": "basic", "identity": str(USER)}
    commit, _ = body(*FRAMES["announced commit"])
    assert (commit["transition_id"], commit["epoch"], commit["group_id"]) == (7, 1, str(CHANNEL))
    assert commit["commit"]["public_message"]["leaf_index"] == 3
    welcome, _ = body(*FRAMES["welcome"])
    assert (welcome["transition_id"], welcome["wrapped"], len(welcome["welcome"]["secrets"])) == (7, False, 1)
    assert body(*FRAMES["wrapped welcome"])[0]["wrapped"] is True
    both, _ = body(*FRAMES["commit and welcome"])
    assert both["welcome"]["cipher_suite"] == "MLS_128_DHKEMP256_AES128GCM_SHA256_P256"


def test_a_real_key_package_names_its_user_its_suite_and_what_it_can_do() -> None:
    d, _ = body(*FRAMES["key package"])
    package = d["key_package"]
    assert d["user_id"] == str(USER)
    assert package["cipher_suite"] == "MLS_128_DHKEMP256_AES128GCM_SHA256_P256"
    leaf = package["leaf_node"]
    assert (leaf["leaf_node_source"], leaf["not_before"], leaf["not_after"]) == ("key_package", 0, 2**64 - 1)
    assert leaf["capabilities"]["versions"] == ["mls10"]


def test_another_library_reads_the_same_in_a_key_package() -> None:
    packages = pytest.importorskip("rfc9420.messages.key_packages")
    data, _ = FRAMES["key package"]
    theirs = packages.KeyPackage.deserialize(data[1:])
    ours = body(data, True)[0]["key_package"]
    assert ours["init_key"] == theirs.init_key.hex()
    assert ours["leaf_node"]["signature_key"] == theirs.leaf_node.signature_key.hex()


def test_a_reference_is_the_hash_that_the_rfc_says() -> None:
    """RFC 9420 section 5.2: label and value, each with its length, hashed with SHA-256."""
    from hashlib import sha256

    label = b"MLS 1.0 KeyPackage Reference"
    assert reference("KeyPackage", b"abc") == sha256(sized(label) + sized(b"abc")).hexdigest()


@pytest.mark.parametrize("name", FRAMES)
def test_what_is_cut_short_keeps_what_was_read_and_says_where_it_stopped(name: str) -> None:
    data, from_client = FRAMES[name]
    header = 1 if from_client else 3
    for end in range(header, len(data)):
        problems = body(data[:end], from_client)[1]
        # A commit without its welcome is whole.
        if not problems:
            assert (name, end) in {("commit and welcome", 1 + len(COMMIT))}
            continue
        assert "it cannot be read beyond d" in problems[-1] or "bytes were announced" in problems[-1]


def test_a_stop_names_the_path_the_place_and_what_was_expected() -> None:
    data, _ = FRAMES["announced commit"]
    _, problems = body(data[:20])
    assert problems == (
        "it cannot be read beyond d.commit.public_message.epoch at byte 18: 8 bytes were expected, 2 are there",
    )


def test_what_follows_is_kept_and_said() -> None:
    d, problems = body(FRAMES["announced commit"][0] + b"\xca\xfe")
    assert d["rest"] == "cafe"
    assert problems == ("2 more bytes follow what op 29 holds",)


def test_a_length_that_could_be_shorter_is_a_problem_and_no_failure() -> None:
    long = b"\x00\x01\x19" + KEY + b"\x00\x01\x40\x08" + USER.to_bytes(8)
    d, problems = body(long)
    assert d["credential"]["identity"] == str(USER)
    assert "not in its shortest form" in problems[0]


def test_an_opcode_without_a_form_is_kept_as_it_is() -> None:
    assert body(b"\x00\x01\x63\xab") == ({"rest": "ab"}, ())


def test_every_name_in_a_layout_is_a_structure() -> None:
    text = repr(STRUCTURES)
    for name in STRUCTURES:
        assert name in text
        made: dict[str, Any] = {}
        with pytest.raises(MlsError):
            Cursor(b"").read(name, made)


def test_more_fields_than_any_message_has_are_not_read() -> None:
    capabilities = sized(b"\x00\x01" * 30)
    many = (MAX_FIELDS + 10) * 2
    flood = Cursor((many | 2 << 30).to_bytes(4) + b"\x00\x01" * (many // 2))
    with pytest.raises(MlsError, match="more than"):
        flood.read("Capabilities", {})
    made: dict[str, Any] = {}
    Cursor(capabilities + b"\x00" * 4).read("Capabilities", made)
    assert made["versions"] == ["mls10"] * 30
    assert MAX_DEPTH > 10


@settings(max_examples=150)
@given(st.integers(0, 40), st.booleans(), st.binary(max_size=200))
def test_no_bytes_are_too_odd(op: int, from_client: bool, data: bytes) -> None:
    body((b"" if from_client else b"\x00\x01") + bytes([op]) + data, from_client)


@settings(max_examples=150)
@given(st.sampled_from(list(FRAMES)), st.data())
def test_no_change_to_a_real_frame_is_too_odd(name: str, data: st.DataObject) -> None:
    frame, from_client = FRAMES[name]
    at = data.draw(st.integers(0, len(frame) - 1))
    cut = data.draw(st.integers(0, 4))
    more = data.draw(st.binary(max_size=4))
    changed = frame[:at] + more + frame[at + cut :]
    if len(changed) > 3:
        body(changed, from_client)
