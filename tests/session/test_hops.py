"""What is read out of a ``_trace``."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from inspector.inert import inert
from inspector.session.hops import MAX_HOPS, Hop, hops_of, slowest
from inspector.wire import jsontext

TRACE = (
    '["gateway-1",{"micros":900.4,"calls":["id_created",{"micros":1,"calls":[]},'
    '"sessions-1",{"micros":800,"calls":["start_session",{"micros":500}]}]}]'
)


def test_hops_are_in_the_order_of_what_they_took() -> None:
    assert hops_of({"_trace": [TRACE]}) == [
        Hop("gateway-1", 900_000, 99_000, ""),
        Hop("sessions-1", 800_000, 300_000, "gateway-1"),
        Hop("start_session", 500_000, 500_000, "sessions-1"),
        Hop("id_created", 1000, 1000, "gateway-1"),
    ]


def test_the_slowest_hop_is_not_the_one_that_waits_for_it() -> None:
    slow = slowest(hops_of({"_trace": [TRACE]}))
    assert slow is not None
    assert slow.name == "start_session"
    assert slowest([]) is None
    assert slowest(hops_of({"_trace": ['["gateway-1",{"micros":0.0}]']})) is None


@pytest.mark.parametrize(
    "trace",
    [
        None,
        "text",
        {},
        [1],
        ["gateway-1"],
        ["[]"],
        ['["a"]'],
        ['[{"micros":1},"a"]'],
        ['["a",{"micros":'],
        ["x" * 300_000],
    ],
)
def test_what_is_of_another_form_is_left_out(trace: Any) -> None:
    assert hops_of({"_trace": trace}) == []


@pytest.mark.parametrize("micros", ["-1", "true", "null", "1e300", "NaN", '"5"', "99999999999999999999"])
def test_what_is_no_time_counts_as_none(micros: str) -> None:
    assert hops_of({"_trace": [f'["a",{{"micros":{micros}}}]']}) == [Hop("a", 0, 0, "")]


def test_a_trace_of_any_size_is_bounded() -> None:
    wide = jsontext.dumps([each for number in range(5000) for each in (f"h{number}", {"micros": number})]).decode()
    deep = '["a",{"calls":' * 400 + "[]" + "}]" * 400
    assert len(hops_of({"_trace": [wide]})) == MAX_HOPS
    assert len(hops_of({"_trace": [deep]})) == 400


VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: st.lists(inner) | st.dictionaries(st.sampled_from(["micros", "calls", "x"]), inner),
    max_leaves=20,
)


@given(VALUES)
def test_nothing_in_a_trace_is_ever_raised(value: Any) -> None:
    text = jsontext.dumps(value).decode("utf-8", "replace")
    for d in (value, {"_trace": value}, {"_trace": [text]}):
        assert all(inert(hop.name) == hop.name for hop in hops_of(d))
