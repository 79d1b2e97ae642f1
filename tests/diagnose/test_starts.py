"""What follows from the answer to GET /gateway/bot: how closely shards may start, and how often at all."""

from dataclasses import replace
from typing import Any

import pytest

from inspector.model import Finding, Severity, StartLimit
from inspector.pipeline import Pipeline
from inspector.protocol.registry import default
from tests.conversation import Conversation, identify, ready
from tests.diagnose.login_talk import greeted, invalid, told
from tests.fed import Fed, fed, in_order


def after(*what: StartLimit | Conversation, max_concurrency: int | None = None) -> Fed:
    """What is made of answers and conversations, all in the order of time."""
    talks = [each for each in what if isinstance(each, Conversation)]
    happenings = [each for each in what if isinstance(each, StartLimit)] + in_order(*talks)
    happenings.sort(key=lambda each: each.at_ns)
    return fed(happenings, Pipeline(default().allowing(max_concurrency)), finish=True)


def findings(made: Fed, rule: str) -> list[Finding]:
    return [each for row in made.rows for each in row.findings if each.rule == rule]


def starts(*shards: int, count: int = 16, every_ms: float = 100) -> list[Conversation]:
    return [
        greeted(n, every_ms * n).client(identify(shard=[shard, count])).closes(1000)
        for n, shard in enumerate(shards, 1)
    ]


def test_it_makes_no_row_and_takes_no_number() -> None:
    bare, heard = after(greeted().client(identify())), after(told(), greeted().client(identify()))
    assert [(row.n, row.first_frame) for row in heard.rows] == [(row.n, row.first_frame) for row in bare.rows]


def test_the_row_of_an_identify_says_how_many_starts_are_left() -> None:
    made = after(told(remaining=24), *starts(0, 1))
    assert [row.note for row in made.rows if row.op == 2] == ["23 session starts left", "22 session starts left"]
    assert [row.note for row in after(told(token=None), *starts(0)).rows if row.op == 2] == [None]


@pytest.mark.parametrize("token", [None, "MTAwMDAwMDAwMDAwMDAwMDAw.GaaaaB.another-invented-token-9876543210"])
def test_what_another_bot_was_told_is_not_for_this_one(token: str | None) -> None:
    made = after(told(max_concurrency=1, token=token), *starts(0, 1))
    assert [each.severity for each in findings(made, "identify-spacing")] == [Severity.INFO]


def test_its_max_concurrency_says_how_closely_shards_may_start() -> None:
    assert findings(after(told(max_concurrency=4), *starts(0, 1, 2, 3)), "identify-spacing") == []
    [late] = findings(after(told(max_concurrency=4), *starts(0, 1, 4)), "identify-spacing")
    assert late.severity is Severity.WARN
    assert late.text.endswith("Both are in bucket 0 (shard % 4).")


def test_what_the_user_says_of_max_concurrency_goes_before_it() -> None:
    assert findings(after(told(max_concurrency=1), *starts(0, 1), max_concurrency=4), "identify-spacing") == []


def test_a_refused_identify_is_put_down_to_one_of_its_own_bucket_only() -> None:
    def refused(*limits: StartLimit) -> str:
        other = greeted(1).client(identify(shard=[0, 16]))
        made = after(*limits, other, greeted(2, 100).client(identify(shard=[1, 16])).server(invalid()))
        return next(each.text for row in made.rows for each in row.findings if each.rule == "invalid-session")

    assert "another of this account came" in refused()
    assert "another of this account came" in refused(told(max_concurrency=1))
    assert "another of this account came" not in refused(told(max_concurrency=16))


def test_a_storm_says_how_many_starts_were_left() -> None:
    storm = findings(after(told(remaining=23), *starts(*[0] * 5)), "identify-storm")
    assert storm[0].text == (
        "5 Identifies with this token and shard within 400 ms. 23 of 1,000 session starts were left 3.5 s before "
        "(GET /gateway/bot); 4 Identifies came after that."
    )


@pytest.mark.parametrize(
    ("remaining", "says"),
    [
        (999, []),
        (202, []),
        (
            201,
            [
                (
                    Severity.WARN,
                    "After this one, 199 of 1,000 session starts are left. 201 of 1,000 session starts were left "
                    "3.2 s before (GET /gateway/bot); 1 Identify came after that.",
                )
            ],
        ),
        (
            150,
            [
                (
                    Severity.WARN,
                    "After this one, 149 of 1,000 session starts are left. 150 of 1,000 session starts were left "
                    "3.1 s before (GET /gateway/bot).",
                )
            ],
        ),
        (
            2,
            [
                (
                    Severity.WARN,
                    "After this one, 1 of 1,000 session starts are left. 2 of 1,000 session starts were left "
                    "3.1 s before (GET /gateway/bot).",
                ),
                (
                    Severity.ERROR,
                    "This is the last of the 1,000 logins of 24 hours. 2 of 1,000 session starts were left 3.2 s "
                    "before (GET /gateway/bot); 1 Identify came after that.",
                ),
            ],
        ),
        (
            0,
            [
                (
                    Severity.ERROR,
                    "This is one more than the 1,000 logins of 24 hours. 0 of 1,000 session starts were left 3.1 s "
                    "before (GET /gateway/bot).",
                )
            ],
        ),
    ],
)
def test_the_budget_is_what_discord_said_is_left(remaining: int, says: list[Any]) -> None:
    low = findings(after(told(remaining=remaining), *starts(0, 1)), "identify-budget")
    assert [(each.severity, each.text) for each in low] == says


def test_what_has_been_reset_since_says_nothing_of_what_is_left() -> None:
    made = after(told(5000, remaining=0, reset_after_ms=4000), *starts(0))
    assert findings(made, "identify-budget") == []
    assert [row.note for row in made.rows if row.op == 2] == [None]


def test_a_large_bot_may_start_more_often_than_others() -> None:
    many = [greeted(n, 20_000 * n).client(identify(shard=[n, 2000])).closes(1000) for n in range(1, 1001)]
    assert [each.severity for each in findings(after(*many), "identify-budget")] == [Severity.WARN, Severity.ERROR]
    assert findings(after(told(total=2000, remaining=2000, reset_after_ms=1), *many), "identify-budget") == []


def closed(code: int, limit: StartLimit, **asked: Any) -> tuple[str, str]:
    """The cause and the advice of the verdict on a close by the server."""
    talk = greeted().client(identify(**asked)).server(ready()).closes(code, by="server")
    [verdict] = after(limit, talk).verdicts.values()
    return verdict.cause, verdict.advice


def test_an_end_that_takes_a_new_session_says_where_few_are_left() -> None:
    _, advice = closed(4007, told(remaining=24))
    assert advice.endswith(
        "24 of 1,000 session starts were left 3 s before (GET /gateway/bot); 1 Identify came after that."
    )
    assert "session starts" not in closed(4007, told(remaining=500))[1]
    assert "session starts" not in closed(4000, told(remaining=24))[1]
    assert "24 of 1,000 session starts" in closed(4014, told(remaining=24))[1]


@pytest.mark.parametrize("code", [4010, 4011])
def test_an_end_over_shards_names_how_many_are_recommended(code: int) -> None:
    cause, _ = closed(code, told(shards=16), shard=[0, 3])
    assert "3 s before, GET /gateway/bot recommended 16 shards" in cause


def test_without_a_shard_4011_names_how_many_are_recommended() -> None:
    assert closed(4011, told(shards=16))[0].endswith("; 3 s before, GET /gateway/bot recommended 16 shards.")


def test_it_counts_for_connections_of_the_same_bot_in_another_file() -> None:
    elsewhere = replace(told(max_concurrency=4), recording=1)
    assert findings(after(elsewhere, *starts(0, 1)), "identify-spacing") == []
