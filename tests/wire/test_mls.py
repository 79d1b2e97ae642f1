"""The layouts of RFC 9420, those that DAVE never sends among them, and the bounds on what is read of them."""

from contextlib import suppress
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from rfc9420 import DefaultCryptoProvider
from rfc9420.messages.refs import make_key_package_ref, make_proposal_ref

from inspector.model import Payload
from inspector.wire import mls
from inspector.wire.mls import MAX_FIELDS, STRUCTURES, Chosen, Cursor, Items, Maybe, MlsError, Whole, reference
from inspector.wire.voice import read_binary
from tests.wire.dave_frames import KEY_PACKAGE

SUITE = "MLS_128_DHKEMP256_AES128GCM_SHA256_P256"
CONTEXT = b"\0\1\0\2\1\xaa" + bytes(8) + b"\0\0\0"
LEAF = KEY_PACKAGE[72:318]


def vector(data: bytes) -> bytes:
    if len(data) < 64:
        return bytes([len(data)]) + data
    return (len(data) | 1 << 14).to_bytes(2) + data if len(data) < 1 << 14 else (len(data) | 2 << 30).to_bytes(4) + data


def read(name: str, data: bytes) -> dict[str, Any]:
    """Return a structure that takes all of `data`."""
    made: dict[str, Any] = {}
    cursor = Cursor(data)
    cursor.read(name, made)
    assert (cursor.left, cursor.problems) == (0, [])
    return made


def broken(name: str, data: bytes, offset: int = 0) -> tuple[dict[str, Any], Cursor, str]:
    """Return what is read of a structure that cannot be read to its end, and why."""
    made: dict[str, Any] = {}
    cursor = Cursor(data, offset)
    with pytest.raises(MlsError) as raised:
        cursor.read(name, made)
    return made, cursor, str(raised.value)


@pytest.mark.parametrize(
    ("data", "length"), [("25", 37), ("4041", 65), ("7bbd", 15293), ("9d7f3e7d", 494878333), ("00", 0), ("3f", 63)]
)
def test_a_length_has_one_two_or_four_bytes(data: str, length: int) -> None:
    cursor = Cursor(bytes.fromhex(data))
    assert (cursor.length("x"), cursor.left, cursor.problems) == (length, 0, [])


@pytest.mark.parametrize(("data", "length"), [("403f", 63), ("80003fff", 16383), ("80000000", 0), ("4000", 0)])
def test_a_length_in_more_bytes_than_it_needs_is_a_problem_and_no_failure(data: str, length: int) -> None:
    cursor = Cursor(bytes.fromhex(data), 100)
    assert cursor.length("x") == length
    assert cursor.problems == [f"x at byte 100: the length {length} is not in its shortest form"]


@pytest.mark.parametrize("data", ["", "c0", "ff", "40", "8000", "800000"])
def test_a_length_that_is_not_there_takes_no_bytes(data: str) -> None:
    cursor = Cursor(bytes.fromhex(data))
    with pytest.raises(MlsError, match="x at byte 0"):
        cursor.length("x")
    assert cursor.at == 0


@pytest.mark.parametrize(
    ("proposal", "made"),
    [
        ("0002" + LEAF.hex(), {"proposal_type": "update", "leaf_node": read("LeafNode", LEAF)}),
        ("000300000005", {"proposal_type": "remove", "removed": 5}),
        (
            "0004" + "01" + "02abcd" + "01ee",
            {"proposal_type": "psk", "psk": {"psktype": "external", "psk_id": "abcd", "psk_nonce": "ee"}},
        ),
        (
            "0004" + "02" + "03" + "080000000000000007" + "0000000000000009" + "01ee",
            {
                "proposal_type": "psk",
                "psk": {"psktype": "resumption", "usage": 3, "psk_group_id": "7", "psk_epoch": 9, "psk_nonce": "ee"},
            },
        ),
        (
            "0005" + "01aa" + "0001" + "0002" + "00",
            {
                "proposal_type": "reinit",
                "group_id": "aa",
                "version": "mls10",
                "cipher_suite": SUITE,
                "extensions": [],
            },
        ),
        ("0006" + "01aa", {"proposal_type": "external_init", "kem_output": "aa"}),
        (
            "0007" + "04" + "000101ff",
            {
                "proposal_type": "group_context_extensions",
                "extensions": [{"extension_type": "application_id", "extension_data": "ff"}],
            },
        ),
        ("0a0a", {"proposal_type": 0x0A0A}),
    ],
)
def test_every_proposal_has_its_fields(proposal: str, made: dict[str, Any]) -> None:
    assert read("Proposal", bytes.fromhex(proposal)) == made


def test_extensions_of_known_kinds_are_read_inside() -> None:
    sender = vector(b"\x04") + b"\0\1" + vector(bytes(7) + b"\5")
    data = vector(b"\0\5" + vector(vector(sender)) + b"\0\3" + vector(b"\2\0\5\0\2\0\1") + b"\xf0\0\1\x99")
    assert read("GroupContext", b"\0\1\0\2" + b"\1\xaa" + bytes(8) + b"\0\0" + data)["extensions"] == [
        {
            "extension_type": "external_senders",
            "extension_data": {
                "external_senders": [
                    {"signature_key": "04", "credential": {"credential_type": "basic", "identity": "5"}}
                ]
            },
        },
        {
            "extension_type": "required_capabilities",
            "extension_data": {
                "extension_types": ["external_senders"],
                "proposal_types": [],
                "credential_types": ["basic"],
            },
        },
        {"extension_type": 0xF000, "extension_data": "99"},
    ]


def test_an_extension_that_is_broken_inside_does_not_keep_what_follows_from_being_read() -> None:
    made: dict[str, Any] = {}
    cursor = Cursor(CONTEXT + vector(b"\0\5\2\4\0") + b"\1\xaa" + bytes(4) + b"\1\xbb", 100)
    cursor.read("GroupInfo", made)
    del made["group_context"]
    assert made == {
        "extensions": [
            {
                "extension_type": "external_senders",
                "extension_data": {"external_senders": [{"signature_key": "", "credential": {}}]},
            }
        ],
        "confirmation_tag": "aa",
        "signer": 0,
        "signature": "bb",
    }
    assert cursor.problems == [
        "GroupInfo.extensions.0.extension_data.external_senders.0.credential.credential_type at byte 123: "
        "2 bytes were expected, 0 are there"
    ]


def test_a_commit_with_a_path_has_the_new_leaf_and_its_nodes() -> None:
    leaf = LEAF[: LEAF.index(b"\1" + bytes(8) + b"\xff" * 8)] + b"\3" + vector(b"\xaa") + b"\0" + vector(b"\xbb")
    node = vector(b"\4") + vector(vector(b"\5") + vector(b"\6"))
    made = read("Commit", b"\0" + b"\1" + leaf + vector(node))
    assert made["path"]["leaf_node"]["parent_hash"] == "aa"
    assert made["path"]["nodes"] == [
        {"encryption_key": "04", "encrypted_path_secret": [{"kem_output": "05", "ciphertext": "06"}]}
    ]


def test_what_is_neither_there_nor_not_ends_the_commit() -> None:
    made, cursor, why = broken("Commit", b"\0\2\7")
    assert (made, cursor.at) == ({"proposals": []}, 1)
    assert why == "Commit.path at byte 1: 2 says neither that it is present nor that it is absent"


@pytest.mark.parametrize(("wire_format", "rest"), [(2, "01aa" + "00" * 8 + "01" + "000000"), (4, None), (9, "")])
def test_messages_that_dave_does_not_send_are_read(wire_format: int, rest: str | None) -> None:
    body = CONTEXT + b"\0" + b"\1\xcc" + bytes(4) + b"\0" if rest is None else bytes.fromhex(rest)
    made = read("MLSMessage", b"\0\1" + wire_format.to_bytes(2) + body)
    assert made["wire_format"] == mls.WIRE_FORMATS.get(wire_format, wire_format)


def test_certificates_are_a_list() -> None:
    assert read("Credential", b"\0\2\4\1\xaa\1\xbb") == {"credential_type": "x509", "certificates": ["aa", "bb"]}


def test_an_id_that_is_not_of_eight_bytes_is_hex() -> None:
    assert read("Credential", b"\0\1\2\1\2")["identity"] == "0102"


@pytest.mark.parametrize("suite", [5, 99])
def test_a_suite_with_another_hash_has_no_reference(suite: int) -> None:
    assert "ref" not in read("KeyPackage", KEY_PACKAGE[1:3] + suite.to_bytes(2) + KEY_PACKAGE[5:])


@pytest.mark.parametrize("size", [0, 63, 64, 400, 20_000])
def test_references_are_those_of_rfc9420(size: int) -> None:
    suite, value = DefaultCryptoProvider(2), bytes(size)
    assert reference("KeyPackage", value) == make_key_package_ref(suite, value).hex()
    assert reference("Proposal", value) == make_proposal_ref(suite, value).hex()


def test_the_end_of_a_list_in_the_middle_of_an_item_leaves_the_rest() -> None:
    """What follows the list is not lost, although its items claim to reach into it."""
    made, cursor, why = broken("Commit", b"\2\2\5" + b"\0\xab\xcd", 40)
    assert made == {"proposals": [{"type": "reference"}]}
    assert why == "Commit.proposals.0.reference at byte 43: 5 bytes were expected, 0 are there"
    assert cursor.data[cursor.at :] == b"\5\0\xab\xcd"
    assert cursor.left == 4


def test_fields_are_limited() -> None:
    made, _, why = broken("Capabilities", vector(b"\0\1" * 3 * MAX_FIELDS))
    assert len(made["versions"]) < MAX_FIELDS
    assert why.endswith(f"more than {MAX_FIELDS:,} fields")


def test_fields_inside_an_extension_count_too() -> None:
    many = b"\0\3" + vector(vector(b"\0\1" * (MAX_FIELDS // 2)) + b"\0\0")
    made, cursor, why = broken("GroupContext", CONTEXT[:-1] + vector(many * 5))
    assert "more than 20,000 fields" in why
    assert len(made["extensions"]) == 2
    assert len(cursor.problems) == 1


def test_references_that_are_taken_back_count_too() -> None:
    what = read_binary(b"\0\0\x1b\1" + vector(bytes(2 * MAX_FIELDS)), False, 8)
    assert isinstance(what, Payload)
    assert len(what.d["proposal_refs"]) == MAX_FIELDS
    assert len(what.d["rest"]) == 2 * MAX_FIELDS
    assert "fields" in what.problems[0]


def test_depth_is_limited(monkeypatch: pytest.MonkeyPatch) -> None:
    """No layout of today is as deep as that."""
    monkeypatch.setattr(mls, "MAX_DEPTH", 1)
    made, _, why = broken("KeyPackage", KEY_PACKAGE[1:])
    assert list(made["leaf_node"]) == ["encryption_key", "signature_key", "credential"]
    assert why == "KeyPackage.leaf_node.credential at byte 205: structures nest more than 1 deep"


def test_layouts_name_only_structures_and_fields_that_there_are() -> None:
    def check(layout: mls.Layout, before: set[str]) -> None:
        for part in layout:
            if isinstance(part, Chosen):
                assert part.by in before
                for case in part.cases.values():
                    check(case, set(before))
                continue
            name, kind = part
            while isinstance(kind, Items | Maybe):
                kind = kind.of
            if isinstance(kind, Whole):
                assert kind.by in before
                assert set(kind.cases.values()) <= STRUCTURES.keys()
            elif isinstance(kind, str):
                assert kind in STRUCTURES
            before.add(name)

    for layout in STRUCTURES.values():
        check(layout, set())


@given(name=st.sampled_from(sorted(STRUCTURES)), data=st.binary(max_size=120))
def test_any_bytes_are_read_or_refused_and_none_are_lost(name: str, data: bytes) -> None:
    cursor = Cursor(data)
    with suppress(MlsError):
        cursor.read(name, {})
    assert 0 <= cursor.at <= len(data)
    assert cursor.left == len(data) - cursor.at
