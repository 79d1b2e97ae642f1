"""Rules about what DAVE's messages hold, on groups whose proposals and commits are made to order."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from inspector.diagnose.mls import CROSSING_NS
from inspector.model import Finding, Severity
from inspector.wire.mls import CIPHER_SUITES
from tests.diagnose.dave_talk import (
    ADA,
    BJORN,
    BOT,
    CHIOMA,
    OTHER_KEY,
    Talk,
    add,
    commit,
    package,
    package_ref,
    pair,
    proposal,
    ref,
    remove,
)
from tests.diagnose.finding import found, one

CROSSED_MS = CROSSING_NS / 1e6


def dave(*talks: Talk) -> list[Finding]:
    return [each for each in found(*talks) if each.rule.startswith("dave-")]


def ids(*talks: Talk) -> list[str]:
    return [each.rule for each in dave(*talks)]


def trio() -> Talk:
    """Björn joins the pair by its bot's commit: rows 11 to 16, the commit in row 14, epoch 2."""
    adds = add(BJORN)
    talk = pair().comes(BJORN).proposes(adds).commits(commit(1, adds))
    return talk.announces(1, commit(1, adds)).ready(1).executes(1)


def test_a_call_in_which_all_goes_well_is_nothing_to_speak_of() -> None:
    removes = remove(2, 2)
    talk = trio().proposes(removes).announces(2, commit(2, removes, leaf=1)).commits(commit(2, removes))
    talk.ready(2).executes(2).later(9000).closes(1000)
    assert ids(talk) == []


def test_dave_proposals_unanswered_names_them() -> None:
    adds, goes = add(BJORN), remove(1)
    talk = pair().comes(BJORN).proposes(adds, goes).commits(commit(1, adds, goes)).later(6000)
    finding = one(dave(talk), "dave-proposals-unanswered")
    assert (finding.event, finding.severity, finding.evidence) == (14, Severity.WARN, (12, 13))
    assert finding.text == (
        f"1 message of proposals came, and no commit was announced within 6 s: '{ref(adds)[:8]}' (adds '{BJORN}', row "
        f"12) and '{ref(goes)[:8]}' (removes leaf 1, row 12). The client's own commit was not taken up."
    )


def test_proposals_to_a_group_that_the_client_is_not_in_are_for_others_to_commit() -> None:
    assert ids(Talk().introduced().package().proposes(remove(3, 7)).later(6000)) == []
    rejecting = pair().client({"op": 31, "d": {"transition_id": 0}})
    assert ids(rejecting.package(package(number=1)).proposes(remove(0)).later(6000)) == ["dave-commit-rejected"]


def test_dave_commit_incomplete_names_what_is_left_out() -> None:
    first, second = add(BJORN), add(CHIOMA)
    talk = pair().comes(BJORN).comes(CHIOMA).proposes(first).proposes(second).announces(1, commit(1, first))
    finding = one(dave(talk), "dave-commit-incomplete")
    assert (finding.event, finding.severity, finding.evidence) == (15, Severity.WARN, (14,))
    assert finding.text == (
        f"The commit of transition 1 has 1 proposal and leaves out '{ref(second)[:8]}' (adds '{CHIOMA}', row 14)."
    )


def test_a_commit_need_not_cover_what_was_taken_back() -> None:
    first, second = add(BJORN), add(CHIOMA)
    talk = pair().comes(BJORN).comes(CHIOMA).proposes(first, second).revokes(second).announces(1, commit(1, first))
    assert ids(talk) == []


def test_a_commit_of_the_clients_must_cover_what_came_long_before_it() -> None:
    first, removes = add(BJORN), remove(1)

    def both() -> Talk:
        return pair().comes(BJORN).proposes(first).proposes(removes)

    assert ids(both().commits(commit(1, first))) == []
    finding = one(dave(both().waits(CROSSED_MS).commits(commit(1, first))), "dave-commit-incomplete")
    assert finding.text == f"The commit has 1 proposal and leaves out '{ref(removes)[:8]}' (removes leaf 1, row 13)."


def test_a_client_cannot_commit_what_is_about_itself() -> None:
    first, own, goes = add(BJORN), add(BOT, number=5), remove(0)
    talk = pair().comes(BJORN).proposes(first, own, goes).waits(5).commits(commit(1, first))
    assert ids(talk.announces(1, commit(1, first, goes))) == []


def test_a_commit_that_lost_the_race_is_not_looked_at() -> None:
    first, second = add(BJORN), add(CHIOMA, 2)
    talk = pair().comes(BJORN).proposes(first).announces(1, commit(1, first, leaf=1)).commits(commit(1, first))
    assert ids(talk.comes(CHIOMA).proposes(second).waits(2000).commits(commit(1, first)).ready(1)) == []


def test_dave_commit_unknown_proposal_names_the_reference() -> None:
    finding = one(dave(pair().announces(1, commit(1, "ab" * 32))), "dave-commit-unknown-proposal")
    assert (finding.event, finding.severity) == (11, Severity.WARN)
    assert finding.text == "The commit of transition 1 refers to a proposal that never came: 'abababab'."


def test_a_client_may_commit_only_what_came() -> None:
    first = add(BJORN)
    talk = pair().comes(BJORN).proposes(first).commits(commit(1, first, "ab" * 32, "cd" * 32))
    assert "2 proposals that never came: 'abababab' and 'cdcdcdcd'" in one(dave(talk), ids(talk)[0]).text


def test_a_commit_of_what_was_taken_back_is_noticed_where_it_did_not_cross() -> None:
    first, second = add(BJORN), add(CHIOMA)
    talk = pair().comes(BJORN).comes(CHIOMA).proposes(first, second).revokes(second)
    assert ids(talk.commits(commit(1, first, second))) == []
    finding = one(dave(talk.announces(1, commit(1, first, second))), "dave-commit-unknown-proposal")
    assert (finding.evidence, "was taken back" in finding.text) == ((13, 14), True)


def test_what_a_commit_refers_to_may_have_come_before_the_recording() -> None:
    talk = Talk().opens(joined_late=True).later(10).announces(1, commit(1, "ab" * 32)).proposes(add(BJORN, 7))
    resumed = Talk().opens()
    resumed.client({"op": 7, "d": {"server_id": "42", "session_id": "invented", "token": "invented"}})
    resumed.proposes(add(BJORN, 3)).announces(1, commit(5, "ab" * 32)).ready(8).executes(9)
    assert (ids(talk), ids(resumed)) == ([], [])


def test_dave_epoch_jump_names_both_epochs() -> None:
    finding = one(dave(pair().announces(1, commit(3))), "dave-epoch-jump")
    assert (finding.event, finding.severity, finding.evidence) == (11, Severity.WARN, (10,))
    assert finding.text == "The commit of transition 1 is of epoch 3; the group is in epoch 1."
    talk = pair().comes(BJORN).proposes(add(BJORN, 4))
    assert one(dave(talk), "dave-epoch-jump").text == "The proposals are of epoch 4; the group is in epoch 1."
    assert ids(talk.announces(1, commit(4, add(BJORN, 4)))) == ["dave-epoch-jump"]


def test_a_commit_that_was_lost_over_a_resume_shows_in_the_next_epoch() -> None:
    """Before version 8 nothing is sent again: here Björn came while the connection was down."""
    adds, comes = add(ADA, 0), add(CHIOMA, 2)
    before = Talk(version=7).introduced().sender().package().proposes(adds).commits(commit(0, adds))
    before.announces(0, commit(0, adds)).closes(1006, by="server")
    after = Talk(version=7, connection=2, at_ns=before._at_ns + 10**9).opens()
    after.client({"op": 7, "d": {"server_id": "42", "session_id": "invented", "token": "invented"}})
    after.server({"op": 9, "d": None})
    assert ids(before, after.comes(CHIOMA).proposes(comes)) == ["dave-epoch-jump"]


def test_a_new_group_begins_its_epochs_anew() -> None:
    adds = add(ADA, 0, 9)
    talk = trio().renews().package(package(number=1)).proposes(adds).commits(commit(0, adds, signature="99"))
    assert ids(talk.announces(2, commit(0, adds, signature="99"))) == ["dave-group-replaced"]


def test_dave_add_unknown_user_names_the_stranger() -> None:
    finding = one(dave(pair().proposes(add(CHIOMA))), "dave-add-unknown-user")
    assert (finding.event, finding.severity) == (11, Severity.WARN)
    assert f"It adds '{CHIOMA}'" in finding.text
    gone = pair().server({"op": 13, "d": {"user_id": ADA}})
    assert "dave-add-unknown-user" in ids(gone.proposes(add(ADA, number=3)))


def test_who_was_named_may_be_added_and_so_may_the_client_itself() -> None:
    assert ids(pair().comes(CHIOMA).proposes(add(CHIOMA), add(BOT, number=7))) == []


def test_where_nobody_was_named_at_all_nobody_is_a_stranger() -> None:
    talk = Talk().opens().server({"op": 4, "d": {"dave_protocol_version": 1}})
    assert ids(talk.package().proposes(add(CHIOMA, 0))) == []


def test_dave_external_sender_changed_names_both_keys() -> None:
    finding = one(dave(pair().sender(OTHER_KEY)), "dave-external-sender-changed")
    assert (finding.event, finding.severity, finding.evidence) == (11, Severity.WARN, (6,))
    assert finding.text == "The key begins with '22222222', that of before with '11111111'."


def test_the_external_sender_may_be_named_again_and_a_new_group_may_have_another() -> None:
    assert ids(pair().sender()) == []
    assert ids(pair().renews().sender(OTHER_KEY)) == ["dave-group-replaced"]


def test_dave_credential_mismatch_names_both_users() -> None:
    finding = one(dave(Talk().introduced().package(package(ADA))), "dave-credential-mismatch")
    assert (finding.event, finding.severity, finding.evidence) == (6, Severity.ERROR, (3,))
    assert finding.text == f"The key package is in the name of '{ADA}'; Identify was by '{BOT}'."


@pytest.mark.parametrize("wrapped", [False, True])
def test_a_key_package_in_the_name_of_the_client_may_be_wrapped_or_bare(wrapped: bool) -> None:
    assert ids(Talk().introduced().package(wrapped=wrapped)) == []


def leaf(**more: Any) -> dict[str, Any]:
    return package()["leaf_node"] | more


X509 = {"credential_type": "x509", "certificates": []}
INLINE = commit(1)
INLINE["public_message"]["commit"]["proposals"] = [
    {"type": "proposal", "proposal": {"proposal_type": "remove", "removed": 1}}
]
FOREIGN = {
    "the credential 'x509'": lambda: pair().sender(credential="x509"),
    f"the cipher suite '{CIPHER_SUITES[1]}'": lambda: (
        Talk().introduced().package(package(cipher_suite=CIPHER_SUITES[1]))
    ),
    "the cipher suite '99'": lambda: Talk().introduced().package().welcomes(7, package(), suite=99),
    "the MLS version '2'": lambda: Talk().introduced().package(package(version=2)),
    "the leaf source 'update'": lambda: Talk().introduced().package(package(leaf_node=leaf(leaf_node_source="update"))),
    "extensions of a key package": lambda: (
        Talk().introduced().package(package(extensions=[{"extension_type": "application_id", "extension_data": "00"}]))
    ),
    "a proposal 'reinit'": lambda: pair().proposes(
        proposal(1, {"proposal_type": "external_init", "kem_output": "00"}),
        proposal(
            1,
            {"proposal_type": "reinit", "group_id": "1", "version": "mls10", "cipher_suite": 2, "extensions": []},
        ),
    ),
    "the sender 'new_member_proposal'": lambda: (
        pair().comes(BJORN).proposes(add(BJORN, sender_type="new_member_proposal"))
    ),
    "a proposal inside the commit, in transition 4": lambda: pair().announces(4, INLINE),
}


@pytest.mark.parametrize("said", FOREIGN)
def test_dave_parameters_wrong_names_what_version_1_does_not_have(said: str) -> None:
    finding = one(dave(FOREIGN[said]()), "dave-parameters-wrong")
    assert finding.severity is Severity.WARN
    assert said in finding.text


def test_what_cannot_be_read_to_its_end_is_not_judged() -> None:
    talk = Talk().introduced()
    talk.frame(bytes([26]) + bytes(9), from_client=True)
    assert ids(talk) == []


def test_dave_key_package_reused_names_where_it_let_in_before() -> None:
    removes = remove(1)
    talk = pair().proposes(removes).announces(1, commit(1, removes)).ready(1).proposes(add(ADA, 2))
    finding = one(dave(talk), "dave-key-package-reused")
    assert (finding.event, finding.severity, finding.evidence) == (14, Severity.WARN, (10,))
    used = package_ref(package(ADA))[:8]
    assert finding.text == f"The key package '{used}' of '{ADA}' was used in row 10 already."
    twice = pair().comes(BJORN).proposes(add(BJORN)).proposes(add(BJORN, signature="55"))
    assert one(dave(twice), "dave-key-package-reused").evidence == (12,)


def test_a_welcome_for_a_key_package_lets_in_once() -> None:
    talk = Talk().introduced().package().welcomes(0, package()).welcomes(7, package())
    assert one(dave(talk), "dave-key-package-reused").evidence == (7,)


def test_a_key_package_that_was_not_taken_up_may_be_proposed_again() -> None:
    first = add(BJORN)
    talk = pair().comes(BJORN).proposes(first).revokes(first).proposes(add(BJORN, signature="55"))
    assert ids(talk) == []
    removes = remove(1)
    lost = pair().comes(BJORN).proposes(first, removes).announces(1, commit(1, removes)).ready(1)
    assert "dave-key-package-reused" not in ids(lost.proposes(add(BJORN, 2)))


def test_dave_key_package_repeated_names_the_first() -> None:
    finding = one(dave(Talk().introduced().package().renews().package()), "dave-key-package-repeated")
    assert (finding.event, finding.severity, finding.evidence) == (8, Severity.WARN, (6,))
    unasked = one(dave(Talk().introduced().package().package(package(number=1))), "dave-key-package-repeated")
    assert (unasked.severity, "none has become due since" in unasked.text) == (Severity.INFO, True)


def test_each_reason_for_a_key_package_is_worth_one() -> None:
    talk = Talk().introduced().renews().package().package(package(number=1)).announces(7, commit(3))
    talk.client({"op": 31, "d": {"transition_id": 7}})
    assert ids(talk.package(package(number=2))) == ["dave-commit-rejected"]


def test_dave_welcome_mismatch_names_both_key_packages() -> None:
    talk = Talk().introduced().package().renews().package(package(number=1)).welcomes(7, package())
    finding = one(dave(talk), "dave-welcome-mismatch")
    assert (finding.event, finding.severity, finding.evidence) == (9, Severity.WARN, (6, 8))
    assert "The welcome of transition 7 is for the key package" in finding.text
    assert "that of row 6" in finding.text
    strange = Talk().introduced().package().welcomes(7, package(ADA))
    assert "which the client never sent" in one(dave(strange), "dave-welcome-mismatch").text


def test_a_welcome_for_the_newest_key_package_is_nothing_to_speak_of() -> None:
    talk = Talk().introduced().package().renews().package(package(number=1))
    assert ids(talk.welcomes(7, package(number=1)).ready(7)) == []


MADE = [b"", *(each.data for each in trio().frames if not each.is_text)]


@given(
    st.lists(st.tuples(st.booleans(), st.sampled_from(MADE), st.integers(0, 1500), st.binary(max_size=9)), max_size=6)
)
def test_no_binary_message_is_too_odd(steps: list) -> None:
    talk = pair()
    for from_client, data, cut, more in steps:
        talk.waits(900).frame(data[:cut] + more, from_client=from_client)
    found(talk.closes(4017, by="server"))
