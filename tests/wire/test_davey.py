"""The decoder of DAVE's frames on the bytes of real groups: davey plays the members, and knows what is true of them."""

from typing import Any

import pytest
from rfc9420 import DefaultCryptoProvider
from rfc9420.messages.data_structures import Welcome
from rfc9420.messages.key_packages import KeyPackage
from rfc9420.messages.messages import MLSPlaintext
from rfc9420.messages.refs import make_key_package_ref, make_proposal_ref

from inspector.model import Payload
from inspector.wire.voice import read_binary
from tests.wire.dave_call import ALICE, BOB, CAROL, CHANNEL, Call, Passed
from tests.wire.mls_writer import write_body

pytestmark = pytest.mark.compat

P256 = DefaultCryptoProvider(2)


def read(frame: Passed) -> Payload:
    what = read_binary(frame.data, frame.from_client, 8)
    assert isinstance(what, Payload)
    return what


def bodies(call: Call, op: int) -> list[dict[str, Any]]:
    return [what.d for what in map(read, call.passed) if what.op == op]


def pair() -> Call:
    """Alice makes a group with Bob: epoch 1."""
    call = Call()
    call.come(ALICE, BOB)
    call.announce(0, ALICE, call.add(BOB, committer=ALICE))
    return call


def trio() -> Call:
    """Carol joins them by Bob's commit: epoch 2."""
    call = pair()
    call.come(CAROL)
    call.announce(7, BOB, call.add(CAROL, committer=BOB))
    return call


def whole() -> Call:
    """Bob, at leaf 1, is removed by Carol's commit: epoch 3."""
    call = trio()
    call.announce(8, CAROL, call.remove(BOB, committer=CAROL))
    return call


def test_every_frame_of_a_call_is_read_to_its_last_byte() -> None:
    found = [read(frame) for frame in whole().passed]
    assert {what.op for what in found} == {25, 26, 27, 28, 29, 30}
    assert [what for what in found if what.problems or "rest" in str(what.d)] == []


def test_what_is_read_can_be_written_again() -> None:
    for frame in whole().passed:
        what = read(frame)
        assert write_body(int(what.op or 0), what.d) == frame.data[1 if frame.from_client else 3 :]


def test_the_external_sender_is_the_key_that_signs() -> None:
    call = pair()
    key = call.sender.package[2:67]
    for body in bodies(call, 25):
        assert body == {
            "signature_key": key.hex(),
            "credential": {"credential_type": "basic", "identity": "0"},
        }


def test_a_key_package_is_in_the_name_of_its_user() -> None:
    assert [(body["user_id"], body["wrapped"]) for body in bodies(trio(), 26)] == [
        (str(user), False) for user in (ALICE, BOB, CAROL)
    ]


def test_proposals_say_who_comes_and_which_leaf_goes() -> None:
    call = whole()
    assert [
        (body["epoch"], body["group_id"], each["type"], each.get("user_id"), each.get("removed"))
        for body in bodies(call, 27)
        for each in body["proposals"]
    ] == [
        (0, str(CHANNEL), "add", str(BOB), None),
        (1, str(CHANNEL), "add", str(CAROL), None),
        (2, str(CHANNEL), "remove", None, 1),
    ]


def test_several_proposals_stand_in_one_message() -> None:
    call = Call()
    call.come(ALICE, BOB, CAROL)
    call.announce(0, ALICE, call.add(BOB, CAROL, committer=ALICE))
    assert [each["user_id"] for each in bodies(call, 27)[0]["proposals"]] == [str(BOB), str(CAROL)]
    assert len(bodies(call, 28)[0]["welcome"]["secrets"]) == 2
    assert [len(body["welcome"]["secrets"]) for body in bodies(call, 30)] == [1, 1]


def test_a_commit_is_made_in_the_epoch_before_the_one_that_davey_reports() -> None:
    for call in (pair(), trio(), whole()):
        for op in (28, 29):
            commit = bodies(call, op)[-1]
            assert commit["group_id"] == str(CHANNEL)
            assert {commit["epoch"] + 1} == {member.session.epoch for member in call.people.values()}


def test_the_members_that_davey_reports_are_those_the_frames_tell_of() -> None:
    call = trio()
    added = {each["user_id"] for body in bodies(call, 27) for each in body["proposals"]}
    assert set(call.people[ALICE].session.get_user_ids()) == {str(ALICE), *added}
    call = whole()
    assert set(call.people[ALICE].session.get_user_ids()) == {str(ALICE), *added} - {str(BOB)}


def test_a_commit_refers_to_the_proposals_by_what_they_are_said_to_be_called() -> None:
    call = whole()
    offered = [[each["ref"] for each in body["proposals"]] for body in bodies(call, 27)]
    for op in (28, 29):
        commits = [body["commit"]["public_message"]["commit"]["proposals"] for body in bodies(call, op)]
        assert commits == [[{"type": "reference", "reference": ref} for ref in refs] for refs in offered]


def test_a_welcome_is_for_the_key_package_it_names() -> None:
    call = trio()
    refs = {body["user_id"]: body["key_package"]["ref"] for body in bodies(call, 26)}
    for op in (28, 30):
        welcomed = [body["welcome"]["secrets"][0]["new_member"] for body in bodies(call, op)]
        assert welcomed == [refs[str(BOB)], refs[str(CAROL)]]


def test_what_is_taken_back_is_called_by_its_ref() -> None:
    call = pair()
    call.come(CAROL)
    call.add(CAROL, committer=ALICE)
    refs = [each["ref"] for each in bodies(call, 27)[-1]["proposals"]]
    call.withdraw(CAROL)
    assert bodies(call, 27)[-1] == {"operation": "revoke", "proposal_refs": refs}
    assert read(call.passed[-1]).problems == ()


def test_refs_are_those_of_rfc9420() -> None:
    call = trio()
    for frame in call.passed:
        what = read(frame)
        if what.op == 26:
            assert what.d["key_package"]["ref"] == make_key_package_ref(P256, frame.data[1:]).hex()
        elif what.op == 27:
            # The header, the operation, the length of the list and the version stand before what is hashed.
            at = frame.data.index(b"\0\1\0\1\x08") + 2
            assert what.d["proposals"][0]["ref"] == make_proposal_ref(P256, frame.data[at:]).hex()


def test_a_key_package_has_the_fields_that_rfc9420_finds() -> None:
    call = Call()
    call.come(ALICE)
    package = call.passed[-1].data[1:]
    theirs, ours = KeyPackage.deserialize(package), bodies(call, 26)[0]["key_package"]
    leaf, our_leaf = theirs.leaf_node, ours["leaf_node"]
    assert our_leaf == {
        "encryption_key": leaf.encryption_key.hex(),
        "signature_key": leaf.signature_key.hex(),
        "credential": {"credential_type": "basic", "identity": str(int.from_bytes(leaf.credential.identity))},
        "capabilities": {
            "versions": ["mls10"],
            "cipher_suites": ["MLS_128_DHKEMP256_AES128GCM_SHA256_P256"],
            "extensions": [],
            "proposals": [],
            "credentials": ["basic"],
        },
        "leaf_node_source": leaf.leaf_node_source.name.lower(),
        "not_before": leaf.lifetime_not_before,
        "not_after": leaf.lifetime_not_after,
        "extensions": leaf.extensions,
        "signature": leaf.signature.value.hex(),
    }
    # The five lists, which rfc9420 leaves as they are.
    assert leaf.capabilities.hex() == "0200010200020000020001"
    assert ours == {
        "version": theirs.version.name.lower(),
        "cipher_suite": "MLS_128_DHKEMP256_AES128GCM_SHA256_P256",
        "init_key": theirs.init_key.hex(),
        "leaf_node": our_leaf,
        "extensions": theirs.extensions,
        "signature": theirs.signature.value.hex(),
        "ref": make_key_package_ref(P256, package).hex(),
    }


def test_a_commit_and_a_welcome_have_the_fields_that_rfc9420_finds() -> None:
    call = whole()
    for frame in call.passed:
        what = read(frame)
        if what.op == 29:
            theirs = MLSPlaintext.deserialize(frame.data[9:]).auth_content
            content, ours = theirs.tbs.framed_content, what.d["commit"]["public_message"]
            assert (ours["epoch"], ours["leaf_index"]) == (content.epoch, content.sender.sender)
            assert ours["signature"] == theirs.signature.hex()
            assert ours["confirmation_tag"] == theirs.confirmation_tag.hex()
            assert ours["membership_tag"] == theirs.membership_tag.hex()
        elif what.op == 30:
            welcome = Welcome.deserialize(frame.data[5:])
            assert what.d["welcome"]["encrypted_group_info"] == welcome.encrypted_group_info.hex()
            assert len(what.d["welcome"]["secrets"]) == len(welcome.secrets)
