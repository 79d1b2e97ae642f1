import zlib
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from inspector.diagnose.shapes import DEPRECATED
from inspector.model import Finding, Plane, Severity
from inspector.session.world import MAX_SEEN
from tests.conversation import HEARTBEAT, HELLO, SESSION, Conversation, Payload, dispatch, identify
from tests.diagnose.finding import found, ids, one
from tests.wire.etf_encoder import encode

BOT, ADA = "1180000000000000001", "1180000000000000002"
GUILD = "1180000000000000042"
GUILDS, GUILD_MEMBERS, GUILD_MESSAGES = 1, 1 << 1, 1 << 9


def session(intents: int = GUILDS, *, bot: bool = True, **more: Any) -> Conversation:
    """Rows 1 to 4: open, Hello, Identify, READY."""
    talk = Conversation(**more).opens().server(HELLO).client(identify(intents=intents))
    return talk.server(dispatch("READY", {"session_id": SESSION, "user": {"id": BOT, "bot": bot}}, 1))


def voice(url: str = "wss://invented.discord.media/?v=8") -> Conversation:
    """Rows 1 and 2: open, Hello."""
    talk = Conversation(plane=Plane.VOICE, url=url).opens()
    return talk.server({"op": 8, "d": {"v": 8, "heartbeat_interval": 41250}})


def of(rule: str, *talks: Conversation) -> list[Finding]:
    return [finding for finding in found(*talks) if finding.rule == rule]


@pytest.mark.parametrize(
    ("talk", "text"),
    [
        (session().server({"op": 997, "d": {"a": 1, "b": 2}}), "The server sends"),
        (session().client({"op": 997, "d": {"a": 1, "b": 2}}), "The client sends"),
    ],
)
def test_unknown_name_of_an_opcode_says_who_sent_it_and_its_keys(talk: Conversation, text: str) -> None:
    finding = one(found(talk), "unknown-name")
    assert (finding.event, finding.severity) == (5, Severity.INFO)
    assert finding.text == f"{text} something that is in no table: op 997. Its body has the keys 'a' and 'b'."


@pytest.mark.parametrize(
    ("payload", "said"),
    [
        (dispatch("INVENTED_\x1b[31m", [], 2), "event INVENTED_\\x1b[31m. Its body has no keys: it is a list."),
        ({"op": 1, "d": None, "trace\u202e": 1}, "key trace\\u202e of the envelope."),
        ({"op": -3, "d": {}}, "op -3. Its body has no keys."),
    ],
)
def test_unknown_name_is_inert(payload: Payload, said: str) -> None:
    assert one(found(session().server(payload)), "unknown-name").text.endswith(said)


def test_unknown_name_is_said_once_in_a_recording() -> None:
    other = Conversation(connection=2).opens().server({"op": 997, "d": {}})
    talk = (
        session().server({"op": 997, "d": {}}).server(dispatch("INVENTED", {}, 2)).server(dispatch("INVENTED", {}, 3))
    )
    assert len(of("unknown-name", talk, other)) == 2


def test_unknown_name_is_said_once_for_each_account() -> None:
    mine, token = {"op": 997, "d": {}}, "MTAwMDAwMDAwMDAwMDAwMDAw.GaaaaB.another-invented-token-9876543210"
    other = Conversation(connection=2).waits(500).opens().client(identify(token=token)).server(mine).server(mine)
    again = Conversation(connection=3).waits(900).opens().client(identify()).server(mine)
    assert [each.event for each in of("unknown-name", session().server(mine), other, again)] == [5, 8]


def test_names_that_can_no_longer_be_remembered_are_not_told_of() -> None:
    """Else a recording with very many would be told of each over and over."""
    talk = session()
    for number in range(MAX_SEEN + 20):
        talk.server(dispatch(f"INVENTED_{number}", {}, number + 2))
    talk.server(dispatch(f"INVENTED_{MAX_SEEN + 5}", {}, 2 * MAX_SEEN))
    assert len(of("unknown-name", talk)) == MAX_SEEN


def test_names_that_a_table_has_are_known() -> None:
    assert ids(session().client({"op": 43, "d": {}}).server(dispatch("TYPING_START", {}, 2))) == []
    assert of("unknown-name", voice().server({"op": 11, "d": {"user_ids": []}, "seq": 1})) == []


def test_odd_payload_weighs_less_where_the_server_sent_it() -> None:
    payload = {"op": "1", "d": None}
    server, client = (
        one(found(talk), "odd-payload") for talk in (session().server(payload), session().client(payload))
    )
    assert (server.severity, client.severity) == (Severity.INFO, Severity.WARN)
    assert (server.event, client.event) == (5, 5)
    assert "op is the text '1', not a number" in server.text


@pytest.mark.parametrize(
    ("talk", "said"),
    [
        (session().frame(zlib.compress(b'{"op":1,"d":1}'), from_client=True), "clients must not compress"),
        (session(encoding="etf").frame(encode({"op": 1, "d": 1}, keys="atom"), from_client=True), "keys are atoms"),
        (voice().frame(b'{"op":5,"d":{}}', from_client=True), "JSON in a binary message"),
    ],
)
def test_odd_payload_is_an_error_where_the_server_closes_for_it(talk: Conversation, said: str) -> None:
    finding = one(found(talk), "odd-payload")
    assert finding.severity is Severity.ERROR
    assert said in finding.text


def test_what_a_server_may_do_is_no_odd_payload() -> None:
    etf = session(encoding="etf").frame(encode({"op": 1, "d": 1}, keys="atom"))
    compressed = session(compression="payload").frame(zlib.compress(b'{"op":1,"d":1}'))
    for talk in (etf, compressed, session().client(HEARTBEAT)):
        assert of("odd-payload", talk) == []


def test_asking_for_compression_twice_is_nothing_to_speak_of() -> None:
    """discord.py does, always, and the URL wins."""
    assert ids(Conversation(compression="zlib-stream").opens().server(HELLO).client(identify(compress=True))) == []


@pytest.mark.parametrize(("compression", "asks"), [("payload", True), ("zstd-stream", False), ("none", False)])
def test_one_way_of_compression_is_heeded(compression: str, asks: bool) -> None:
    assert ids(Conversation(compression=compression).opens().server(HELLO).client(identify(compress=asks))) == []


DEFLATE = {"response-sec-websocket-extensions": "permessage-deflate; server_no_context_takeover"}


def test_compressed_twice_is_a_note() -> None:
    finding = one(found(Conversation(compression="zstd-stream").opens(headers=DEFLATE)), "compressed-twice")
    assert (finding.event, finding.severity) == (1, Severity.INFO)


def test_permessage_deflate_alone_compresses_once() -> None:
    offered = {"sec-websocket-extensions": "permessage-deflate"}
    assert ids(Conversation().opens(headers=DEFLATE)) == []
    assert ids(Conversation(compression="zstd-stream").opens(headers=offered)) == []
    assert ids(Conversation(plane=Plane.VOICE, url="wss://x.discord.media/?v=8").opens(headers=DEFLATE)) == []


@pytest.mark.parametrize(
    ("plane", "query", "severity", "said"),
    [
        (Plane.GATEWAY, "encoding=json", Severity.INFO, "no numeric v"),
        (Plane.GATEWAY, "v=ten", Severity.INFO, "no numeric v"),
        *(
            (Plane.GATEWAY, f"v={old}", Severity.WARN, f"Version {old} of the gateway is deprecated")
            for old in DEPRECATED
        ),
        (Plane.GATEWAY, "v=5", Severity.ERROR, "Version 5 of the gateway is no longer served"),
        (Plane.GATEWAY, "v=11", Severity.INFO, "Version 11 of the gateway is not one that gwinspect knows"),
        (Plane.VOICE, "", Severity.ERROR, "no numeric v; the voice gateway requires at least v=4"),
        (Plane.VOICE, "v=3", Severity.ERROR, "v=3; the voice gateway requires at least v=4"),
    ],
)
def test_version_in_url_should_be_one_that_is_served(plane: Plane, query: str, severity: Severity, said: str) -> None:
    finding = one(found(Conversation(plane=plane, url=f"wss://invented.example/?{query}").opens()), "version-in-url")
    assert (finding.event, finding.severity) == (1, severity)
    assert said in finding.text


@pytest.mark.parametrize(
    ("plane", "query"), [(Plane.GATEWAY, "v=9"), (Plane.GATEWAY, "v=10"), (Plane.VOICE, "v=4"), (Plane.VOICE, "v=9")]
)
def test_versions_that_are_served_are_nothing_to_speak_of(plane: Plane, query: str) -> None:
    assert ids(Conversation(plane=plane, url=f"wss://invented.example/?{query}").opens()) == []


def test_of_a_url_that_is_not_known_no_version_is_missed() -> None:
    assert ids(Conversation(url="").opens(joined_late=True)) == ["joined-late"]
    assert ids(Conversation(url="wss://invented.example").opens(refusal="HTTP 403")) == ["connection-refused"]


def about(user: str, event: str = "GUILD_MEMBER_ADD", seq: int = 2) -> Payload:
    return dispatch(event, {"guild_id": GUILD, "user": {"id": user}, "user_id": user}, seq)


def test_event_outside_intents_names_the_intents_and_is_said_once() -> None:
    talk = session().server(about(ADA)).server(about(ADA, seq=3))
    finding = one(found(talk), "event-outside-intents")
    assert (finding.event, finding.severity) == (5, Severity.INFO)
    assert finding.text == "GUILD_MEMBER_ADD comes with GUILD_MEMBERS, and Identify asked for none of these."


def test_what_concerns_the_account_itself_hides_nothing_of_others() -> None:
    talk = session().server(about(BOT, "VOICE_STATE_UPDATE")).server(about(ADA, "VOICE_STATE_UPDATE", 3))
    assert [finding.event for finding in of("event-outside-intents", talk)] == [6]


def test_events_that_were_asked_for_or_come_anyway_are_not_outside_intents() -> None:
    asked = session(GUILDS | GUILD_MEMBERS).server(about(ADA))
    own = session().server(about(BOT, "GUILD_MEMBER_UPDATE"))
    ephemeral = session(GUILD_MESSAGES).server(dispatch("MESSAGE_CREATE", {"author": {"id": ADA}}, 2))
    for_all = session(0).server(about(ADA, "INTERACTION_CREATE"))
    user = session(bot=False).server(about(ADA))
    for talk in (asked, own, ephemeral, for_all, user):
        assert of("event-outside-intents", talk) == []


ODD = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=3),
    lambda inner: (
        st.lists(inner, max_size=2)
        | st.dictionaries(
            st.sampled_from(["compress", "guild_id", "user", "id"]) | st.text(max_size=3), inner, max_size=3
        )
    ),
    max_leaves=6,
)


@given(
    st.lists(st.tuples(st.booleans(), st.dictionaries(st.sampled_from(["op", "d", "s", "t", "x"]), ODD)), max_size=6)
)
def test_no_shape_is_too_odd(steps: list[tuple[bool, dict[str, Any]]]) -> None:
    for talk in (session(), voice()):
        for from_client, payload in steps:
            (talk.client if from_client else talk.server)(payload)
        talk.client({"op": 2, "d": steps[0][1] if steps else None})
        found(talk.closes(1006, by=None))
