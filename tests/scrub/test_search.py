import base64
from collections.abc import Callable

import pytest

from inspector.scrub.search import Search

NAME, ID = "Wanda O'Malley-7", "1180000000000000001"

FORMS: dict[str, Callable[[str], bytes]] = {
    "plain": lambda text: text.encode(),
    "base64": lambda text: base64.b64encode(b"ab" + text.encode() + b"c"),
    "base64 for addresses": lambda text: base64.urlsafe_b64encode(b"a" + text.encode()),
    "hex": lambda text: text.encode().hex().encode(),
    "capital hex": lambda text: text.encode().hex().upper().encode(),
}


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize("before", range(9))
def test_a_value_is_found_in_each_form_wherever_it_stands(form: str, before: int) -> None:
    search = Search({"names": {NAME}}, ())
    assert list(search.in_bytes(b"\0" * before + FORMS[form](NAME) + b"..", "here"))
    assert not list(search.in_bytes(b"\0" * before + FORMS[form]("Wanda X'Malley-7") + b"..", "here"))


def test_an_escaped_text_is_found() -> None:
    assert [leak.form for leak in Search({"names": {"Grünwald"}}, ()).in_bytes(b'"Gr\\u00fcnwald"', "")] == ["escaped"]


@pytest.mark.parametrize("order", ["big", "little"])
def test_an_id_is_found_as_the_bytes_of_its_number(order: str) -> None:
    data = b"...." + int(ID).to_bytes(8, order) + b"."  # type: ignore[arg-type]
    assert [leak.form for leak in Search({"ids": {ID}}, ()).in_bytes(data, "")] == ["number"]


def test_digits_within_a_longer_number_are_not_an_id() -> None:
    search = Search({"ids": {ID}}, ())
    assert not list(search.in_bytes(b"9" + ID.encode(), ""))
    assert list(search.in_bytes(b"9" + ID.encode() + b" " + ID.encode(), ""))


def test_a_short_word_is_found_as_a_whole_text_only() -> None:
    search = Search({"names": {"Bob"}}, ())
    assert [leak.kind for leak in search.in_payload(b'{"name": "Bob"}', "")] == ["names"]
    assert not list(search.in_payload(b'{"Bob": "Bobbin"}', ""))


def test_what_stayed_for_a_reason_is_not_looked_for() -> None:
    assert not list(Search({"texts": {"MESSAGE_CREATE"}}, {"MESSAGE_CREATE"}).in_payload(b'"MESSAGE_CREATE"', ""))
