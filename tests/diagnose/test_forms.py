from inspector.model import Severity
from tests.conversation import HELLO, Conversation, dispatch
from tests.diagnose.finding import found, ids, one


def talk(*bodies: object, event: str = "MESSAGE_CREATE") -> Conversation:
    made = Conversation().opens(joined_late=True).server(HELLO)
    for seq, d in enumerate(bodies, 1):
        made.server(dispatch(event, d, seq))
    return made


def test_a_field_of_another_kind_is_noticed_with_its_path() -> None:
    finding = one(found(talk({"id": "1"}, {"id": "2"}, {"id": 3}, {"id": 4})), "field-form-changed")
    assert (finding.event, finding.severity) == (5, Severity.INFO)
    assert finding.text == "d.id is a number; in every MESSAGE_CREATE before this it was text."


def test_a_field_that_is_new_missing_or_null_is_not() -> None:
    assert "field-form-changed" not in ids(talk({"id": "1"}, {"id": None}, {}, {"id": "5", "poll": {}}))


def test_names_from_the_wire_are_inert() -> None:
    finding = one(found(talk({"\x1b[2J": 1}, {"\x1b[2J": "x"}, event="\u202eX")), "field-form-changed")
    assert finding.text == "d.\\x1b[2J is text; in every \\u202eX before this it was a number."


def test_bodies_that_are_no_objects_have_no_fields() -> None:
    assert "field-form-changed" not in ids(talk([], 5, None, {"id": 1}))
