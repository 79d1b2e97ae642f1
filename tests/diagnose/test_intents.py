from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from inspector.diagnose.intents import BLANKS
from inspector.model import Finding, Severity
from tests.conversation import HELLO, SESSION, Conversation, Payload, dispatch, identify
from tests.diagnose.finding import found, ids, one

BOT, ADA = "1180000000000000001", "1180000000000000002"
GUILD = "1180000000000000042"
GUILD_MESSAGES, MESSAGE_CONTENT = 1 << 9, 1 << 15
PRIVATE_CHANNELS, CALLS = 1 << 18, 1 << 19
# The official list: 0 to 16, 20, 21, 24, 25.
FOR_BOTS = 53608447


def asks(intents: int, **more: Any) -> Conversation:
    """Rows 1 to 3: open, Hello, Identify."""
    return Conversation().opens().server(HELLO).client(identify(intents=intents, **more))


def session(intents: int = GUILD_MESSAGES, *, bot: bool = True) -> Conversation:
    """The same and READY."""
    return asks(intents).server(dispatch("READY", {"session_id": SESSION, "user": {"id": BOT, "bot": bot}}, 1))


def said(author: str = ADA, **more: Any) -> dict[str, Any]:
    fields = {"content": "", "embeds": [], "attachments": [], "mentions": [], "type": 0}
    return {"id": "1180000000000000099", "guild_id": GUILD, "author": {"id": author}, **fields, **more}


def messages(talk: Conversation, *each: dict[str, Any]) -> Conversation:
    for d in each:
        talk.server(dispatch("MESSAGE_CREATE", d, len(talk.happenings) - 2))
    return talk


def of(rule: str, *talks: Conversation) -> list[Finding]:
    return [finding for finding in found(*talks) if finding.rule == rule]


@pytest.mark.parametrize(
    ("intents", "said"),
    [
        (1 | 1 << 29, "The intents 536,870,913 have bit 29, which no intent has."),
        (1 << 30 | 1 << 31, "The intents 3,221,225,472 have bits 30 and 31, which no intent has."),
        (-1, "The intents are -1, and a sum of bits is not below 0."),
    ],
)
def test_intents_undefined_are_named_by_bit(intents: int, said: str) -> None:
    finding = one(found(asks(intents)), "intents-undefined")
    assert (finding.event, finding.severity, finding.text) == (3, Severity.ERROR, said)


def test_users_and_oauth2_sessions_may_have_intents_that_nobody_documents() -> None:
    for who in ({"capabilities": 16381}, {"token": "Bearer invented"}):
        assert of("intents-undefined", asks(1 | 1 << 29, **who)) == []


def test_intents_user_only_are_named() -> None:
    finding = one(found(asks(FOR_BOTS | PRIVATE_CHANNELS | CALLS)), "intents-user-only")
    assert (finding.event, finding.severity) == (3, Severity.ERROR)
    assert finding.text.endswith("ask for PRIVATE_CHANNELS and CALLS.")


def test_users_may_ask_for_what_bots_may_not() -> None:
    for who in ({"capabilities": 16381}, {"token": "Bearer invented"}):
        assert of("intents-user-only", asks(PRIVATE_CHANNELS | CALLS, **who)) == []


@pytest.mark.parametrize("intents", [0, 1, FOR_BOTS])
def test_intents_for_bots_are_nothing_to_speak_of(intents: int) -> None:
    assert ids(asks(intents)) == []


def test_message_content_missing_is_said_once_at_the_message_that_makes_the_pattern() -> None:
    talk = messages(session(), *[said()] * BLANKS, said(BOT), *[said()] * BLANKS)
    finding = one(found(talk), "message-content-missing")
    assert (finding.event, finding.severity, finding.evidence) == (4 + BLANKS, Severity.WARN, (3,))
    assert f"{BLANKS} guild messages have come, all of them empty" in finding.text


def test_message_content_missing_needs_more_than_a_few() -> None:
    assert of("message-content-missing", messages(session(), *[said()] * (BLANKS - 1))) == []


@pytest.mark.parametrize(
    "excused",
    [
        said(BOT),
        said(mentions=[{"id": BOT}]),
        said(type=7),
        said(sticker_items=[{"id": "1"}]),
        said(message_snapshots=[{}]),
        said(guild_id=None),
    ],
)
def test_messages_that_are_blank_for_another_reason_do_not_count(excused: dict[str, Any]) -> None:
    assert of("message-content-missing", messages(session(), *[excused] * (BLANKS + 5))) == []
    mixed = messages(session(), *[excused] * BLANKS, *[said()] * BLANKS)
    assert len(of("message-content-missing", mixed)) == 1


@pytest.mark.parametrize(
    "filled",
    [said(content="hi"), said(embeds=[{}]), said(attachments=[{}]), said(components=[{}]), said(poll={"a": 1})],
)
def test_one_message_with_content_shows_that_content_comes(filled: dict[str, Any]) -> None:
    assert of("message-content-missing", messages(session(), filled, *[said()] * BLANKS)) == []


def test_who_asked_for_content_or_needs_no_intents_misses_nothing() -> None:
    for talk in (session(GUILD_MESSAGES | MESSAGE_CONTENT), session(bot=False)):
        assert of("message-content-missing", messages(talk, *[said()] * (BLANKS + 5))) == []


ODD = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=3) | st.just(GUILD),
    lambda inner: (
        st.lists(inner, max_size=2)
        | st.dictionaries(
            st.sampled_from(["intents", "capabilities", "guild_id", "author", "id", "mentions", "type", "content"]),
            inner,
            max_size=4,
        )
    ),
    max_leaves=6,
)


@given(st.lists(ODD, max_size=5), ODD)
def test_no_intents_are_too_odd(bodies: list[Any], intents: Any) -> None:
    talk = session()
    for d in bodies:
        payload: Payload = dispatch("MESSAGE_CREATE", d, 2)
        talk.server(payload).client({"op": 2, "d": d})
    found(talk.client(identify(intents=intents)).closes(1006, by=None))
