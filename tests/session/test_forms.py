import pytest
from hypothesis import given
from hypothesis import strategies as st

from inspector.session.forms import MAX_EVENTS, MAX_PATHS, Forms


def learned(*bodies: dict) -> Forms:
    forms = Forms()
    for d in bodies:
        forms.learn("X", d)
    return forms


@pytest.mark.parametrize(
    ("d", "news"),
    [
        ({"id": 1}, [("d.id", "a number", "text")]),
        ({"id": "1", "author": {"id": 5}}, [("d.author.id", "a number", "text")]),
        ({"id": "1", "roles": [7]}, [("d.roles.*", "a number", "text")]),
        ({"id": None}, []),
        ({}, []),
        ({"id": "2", "new": 1}, []),
        ({"author": []}, [("d.author", "a list", "an object")]),
    ],
)
def test_another_kind_of_value_is_news_and_a_missing_one_is_not(d: dict, news: list) -> None:
    assert list(learned({"id": "1", "author": {"id": "3"}, "roles": ["5"]}).news("X", d)) == news


def test_what_was_learned_is_no_news_again() -> None:
    forms = learned({"id": "1"}, {"id": 1})
    assert list(forms.news("X", {"id": 2})) == []
    assert list(forms.news("X", {"id": []})) == [("d.id", "a list", "a number or text")]
    assert forms.is_known("X", {"id": 2})
    assert not forms.is_known("X", {"id": []})


def test_maps_by_id_are_one_path() -> None:
    forms = learned({"by": {str(number): 1 for number in range(9)}})
    assert list(forms.news("X", {"by": {"77": "x"}})) == [("d.by.*", "text", "a number")]


def test_events_are_told_apart() -> None:
    assert list(learned({"id": "1"}).news("Y", {"id": 1})) == []


def test_what_is_remembered_is_bounded() -> None:
    forms = Forms()
    for number in range(MAX_EVENTS + 50):
        forms.learn(f"X{number}", {"id": 1})
    assert len(forms._kinds) == MAX_EVENTS
    forms = Forms()
    for number in range(200):
        forms.learn("X", {f"a{number}-{other}": 1 for other in range(20)})
    assert len(forms._kinds["X"]) <= MAX_PATHS


@given(
    st.dictionaries(
        st.text(max_size=3) | st.integers(),
        st.recursive(
            st.none() | st.integers() | st.binary(), lambda i: st.lists(i) | st.dictionaries(st.text(), i), max_leaves=6
        ),
        max_size=4,
    )
)
def test_any_body_can_be_learned_and_is_then_known(d: dict) -> None:
    forms = learned(d)
    assert list(forms.news("X", d)) == []
