"""Sessions and calls over several connections."""

import pytest

from inspector.model import Happening, Plane
from inspector.pipeline import Pipeline
from inspector.protocol.registry import default
from inspector.session.redact import digest
from inspector.session.world import MAX_ENDED, MAX_REMEMBERED, Accounts, Remembered, World
from tests.conversation import HELLO, SESSION, TOKEN, Conversation, dispatch, identify, message, ready, resume

USER, GUILD = "1180000000000000001", "1180000000000000042"
VOICE_SESSION, VOICE_TOKEN = "7e557e557e557e557e557e557e557e55", "an invented voice token"


def world(*talks: Conversation) -> World:
    happenings: list[Happening] = [happening for talk in talks for happening in talk.happenings]
    pipeline = Pipeline(default())
    for happening in sorted(happenings, key=lambda happening: happening.at_ns):
        pipeline.feed(happening)
    return pipeline._tracker.world


def login(connection: int = 1, **more) -> Conversation:
    talk = Conversation(connection=connection, **more).opens().server(HELLO).client(identify()).server(ready())
    return talk.server(message("hi", 2))


def back(before: Conversation) -> Conversation:
    return Conversation(connection=2, at_ns=before._at_ns).opens().server(HELLO)


def test_a_session_counts_on_over_a_resume() -> None:
    first = login().closes(1006, by="server")
    second = back(first).client(resume()).server(message("missed", 3)).server(dispatch("RESUMED", {}, 4))
    session = world(first, second).sessions[digest(SESSION)]
    assert (session.seq, list(session.connections), session.phase, session.failures) == (4, [1, 2], "live", 0)


def test_a_connection_knows_the_one_before_it() -> None:
    first = login().closes(4000)
    second = back(first).client(identify())
    connection = world(first, second).open[2]
    assert (connection.previous, connection.identity) == (1, world(first).ended[1][0].identity)


def test_shards_are_clients_of_their_own() -> None:
    first = Conversation().opens().server(HELLO).client(identify(shard=[0, 2])).server(ready()).closes(4000)
    second = back(first).client(identify(shard=[1, 2]))
    assert world(first, second).open[2].previous is None


@pytest.mark.parametrize(
    ("code", "by", "phase"), [(1000, "client", "ended"), (1000, "server", "dropped"), (4000, "client", "dropped")]
)
def test_only_the_client_destroys_its_session_with_1000(code: int, by, phase: str) -> None:
    assert world(login().closes(code, by=by)).sessions[digest(SESSION)].phase == phase


def test_an_invalid_session_ends_it_unless_it_may_be_resumed() -> None:
    gone = world(login().server({"op": 9, "d": False})).sessions[digest(SESSION)]
    kept = world(login().server({"op": 9, "d": True})).sessions[digest(SESSION)]
    assert (gone.phase, kept.phase) == ("ended", "dropped")
    assert gone.destroyed is not None


def test_a_voice_connection_is_tied_to_the_main_one_that_asked_for_it() -> None:
    main = login().client({"op": 4, "d": {"guild_id": GUILD, "channel_id": "5"}})
    state = {"guild_id": GUILD, "channel_id": "5", "user_id": USER, "session_id": VOICE_SESSION}
    server = {"guild_id": GUILD, "token": VOICE_TOKEN, "endpoint": "invented.discord.media:443"}
    main.server(dispatch("VOICE_STATE_UPDATE", state, 3)).server(dispatch("VOICE_SERVER_UPDATE", server, 4))
    url = "wss://invented.discord.media:443/?v=8"
    voice = Conversation(plane=Plane.VOICE, url=url, connection=2, at_ns=main._at_ns).opens()
    proof = {"server_id": GUILD, "user_id": USER, "session_id": VOICE_SESSION, "token": VOICE_TOKEN}
    found = world(main, voice.client({"op": 0, "d": proof}))
    call = found.call(GUILD, digest(TOKEN))
    assert found.open[2].parent == 1
    assert (call.main, call.channel, call.session) == (1, "5", digest(VOICE_SESSION))
    assert (call.token, call.endpoint) == (digest(VOICE_TOKEN), "invented.discord.media:443")


def test_two_bots_in_one_guild_have_calls_of_their_own() -> None:
    talks = []
    for number in (1, 2):
        user, token = f"118000000000000000{number}", f"{number} is an invented token"
        started = {"v": 10, "session_id": f"{number}" * 32, "user": {"id": user}}
        talk = Conversation(connection=number).opens().server(HELLO).client(identify(token=token))
        talk.server(dispatch("READY", started, 1)).client({"op": 4, "d": {"guild_id": GUILD, "channel_id": "5"}})
        state = {"guild_id": GUILD, "channel_id": f"{number}", "user_id": user, "session_id": f"{number}" * 32}
        server = {"guild_id": GUILD, "token": f"voice token {number} of nobody", "endpoint": f"{number}.discord.media"}
        talk.server(dispatch("VOICE_STATE_UPDATE", state, 2)).server(dispatch("VOICE_SERVER_UPDATE", server, 3))
        proof = {"server_id": GUILD, "user_id": user, "session_id": f"{number}" * 32, "token": server["token"]}
        url = f"wss://{number}.discord.media/?v=8"
        voice = Conversation(plane=Plane.VOICE, url=url, connection=2 + number, at_ns=talk._at_ns + 10**9).opens()
        talks += [talk, voice.client({"op": 0, "d": proof})]
    found = world(*talks)
    assert [found.open[number].parent for number in (3, 4)] == [1, 2]
    assert [found.open[number].account for number in (3, 4)] == [found.open[number].account for number in (1, 2)]
    assert [call.channel for call in found.calls.values()] == ["1", "2"]
    pipeline = Pipeline(default())
    happenings = sorted((each for talk in talks for each in talk.happenings), key=lambda each: each.at_ns)
    rules = {finding.rule for each in happenings for row in pipeline.feed(each).rows for finding in row.findings}
    assert not {rule for rule in rules if rule.startswith("voice-") and rule != "voice-without-dave"}


def test_being_moved_is_told_from_joining() -> None:
    main = login()
    for seq, channel in enumerate(["5", "5", "6", None], 3):
        state = {"guild_id": GUILD, "channel_id": channel, "user_id": USER, "session_id": VOICE_SESSION}
        main.server(dispatch("VOICE_STATE_UPDATE", state, seq))
        [call] = world(main).calls.values()
        moved = call.moved
        assert (moved is not None) == (channel in ("6", None))


def test_what_others_do_in_voice_is_no_call_of_ours() -> None:
    state = {"guild_id": GUILD, "channel_id": "5", "user_id": "99", "session_id": VOICE_SESSION}
    assert not world(login().server(dispatch("VOICE_STATE_UPDATE", state, 3))).calls


def test_connections_of_one_token_are_those_of_one_account() -> None:
    first = login().closes(1006, by="server")
    again = back(first).client(resume())
    other = Conversation(connection=3, at_ns=first._at_ns).opens().client(identify(token="another invented token"))
    found = world(first, again, other)
    assert found.ended[1][0].account == found.open[2].account == digest(TOKEN)
    assert found.open[3].account == digest("another invented token")


def test_a_token_that_was_reset_is_of_the_same_account() -> None:
    first = login().closes(4004, by="server")
    found = world(first, back(first).client(identify(token="another invented token")).server(ready("another")))
    assert found.open[2].account == digest(TOKEN)


def test_a_voice_connection_is_of_the_account_of_its_user() -> None:
    main = login()
    proof = {"server_id": GUILD, "user_id": USER, "session_id": VOICE_SESSION, "token": VOICE_TOKEN}
    voice = Conversation(plane=Plane.VOICE, url="wss://invented.discord.media/?v=8", connection=2, at_ns=main._at_ns)
    voice.opens().client({"op": 0, "d": proof}).closes(1006, by="server")
    again = Conversation(plane=Plane.VOICE, url=voice.url, connection=3, at_ns=voice._at_ns).opens()
    found = world(main, voice, again.client({"op": 7, "d": {**proof, "seq_ack": -1}}))
    assert found.ended[2][0].account == found.open[3].account == digest(TOKEN)


def test_of_a_mask_nobody_knows_whose_it_is() -> None:
    accounts = Accounts()
    assert accounts.of_token("*" * 20) is accounts.of_token(None) is accounts.of_call("*" * 8) is None
    assert accounts.of_user("1") == "user 1"


def test_what_is_remembered_is_bounded() -> None:
    remembered: Remembered[str, int] = Remembered()
    for number in range(MAX_REMEMBERED + 10):
        remembered.keep(str(number), number)
    assert (len(remembered), next(iter(remembered))) == (MAX_REMEMBERED, "10")
    pipeline = Pipeline(default())
    for number in range(1, MAX_ENDED + 10):
        for happening in login(number).closes(4000).happenings:
            pipeline.feed(happening)
    assert len(pipeline._tracker.world.ended) == MAX_ENDED
    assert not pipeline._tracker.world.open
