"""What is noticed about clients that get in each other's way."""

from typing import Any

import pytest

from inspector.model import Opened, Severity
from tests.conversation import ACK, HEARTBEAT, HELLO, NOON, Conversation, dispatch, identify, resume
from tests.diagnose.finding import found, ids, one

SECOND = 1_000_000_000
RULES = {"same-shard-twice", "shard-counts-differ", "resume-of-other-shard"}
FAR = "203.0.113.7:40000"


def up(
    connection: int, at_s: float = 0, *, for_s: int = 200, client: str = "127.0.0.1:50000", **more: Any
) -> Conversation:
    """A bot that logs in and sends its heartbeats."""
    return beats(logged_in(connection, at_s, client=client, **more), for_s)


def logged_in(
    connection: int, at_s: float = 0, *, client: str = "127.0.0.1:50000", bot: bool = True, **more: Any
) -> Conversation:
    talk = Conversation(connection=connection, at_ns=NOON + int(at_s * SECOND))
    opened = Opened(connection, talk._at_ns, talk.plane, talk.url, client, headers={"user-agent": "DiscordBot"})
    talk._add(opened).server(HELLO).client(identify(**more))
    user = {"id": "1180000000000000001", "bot": bot}
    return talk.server(dispatch("READY", {"v": 10, "session_id": f"5e55{connection}", "user": user}, 1))


def beats(talk: Conversation, for_s: int) -> Conversation:
    for _ in range(for_s // 20):
        talk.waits(20_000).client({**HEARTBEAT, "d": 1}).server(ACK)
    return talk


def crossed(*talks: Conversation) -> list[str]:
    return [rule for rule in ids(*talks) if rule in RULES]


def test_same_shard_twice() -> None:
    finding = one(found(up(1, client=FAR, shard=[0, 2]), up(2, 5, shard=[0, 2])), "same-shard-twice")
    assert finding.severity is Severity.WARN
    assert finding.text == (
        "Connections 1 and 2 both serve shard 0 of 2 of this bot, and have for 2 min. Connection 1 comes from "
        "'203.0.113.7' with user agent 'DiscordBot', connection 2 comes from '127.0.0.1' with user agent 'DiscordBot': "
        "these are two processes."
    )
    assert finding.evidence == (1, 3, 5, 7)


def test_same_shard_twice_on_one_machine() -> None:
    finding = one(found(up(1), up(2, 5)), "same-shard-twice")
    assert finding.text.endswith(
        "Two copies of the bot run on one machine, or one of them did not close its old connection."
    )


@pytest.mark.parametrize(
    "talks",
    [
        # Another takes over within two minutes.
        (up(1, for_s=20), up(2, 5)),
        (up(1, for_s=60).closes(1000), up(2, 5)),
        # The first is dead, and its end not seen.
        (logged_in(1), up(2, 5)),
        (up(1, shard=[0, 2]), up(2, 5, shard=[1, 2])),
        # Users run several clients.
        (up(1, bot=False, client=FAR), up(2, 5, bot=False)),
        (up(1, token="another.bot.token", client=FAR), up(2, 5)),
    ],
)
def test_clients_that_do_not_get_in_each_others_way(talks: tuple[Conversation, ...]) -> None:
    assert crossed(*talks) == []


def test_shard_counts_differ() -> None:
    finding = one(found(up(1, shard=[0, 2]), up(2, 5, shard=[1, 4])), "shard-counts-differ")
    assert finding.text.startswith(
        "Connection 2 is shard 1 of 4, and connection 1 is shard 0 of 2 of the same bot; both have been up for "
    )
    assert crossed(up(1), up(2, 5, shard=[1, 2])) == ["shard-counts-differ"]


def two_shards(code: int = 1001) -> tuple[Conversation, Conversation]:
    """Shard 1 of the two is closed after 50 s."""
    return up(1, shard=[0, 2], for_s=100), up(2, shard=[1, 2], for_s=40).waits(10_000).closes(code, by="server")


def back(session: str) -> Conversation:
    return Conversation(connection=3, at_ns=NOON + 53 * SECOND).opens().server(HELLO).client(resume(session))


def test_resume_of_other_shard() -> None:
    finding = one(found(*two_shards(), back("5e551")), "resume-of-other-shard")
    assert finding.severity is Severity.ERROR
    assert finding.text.startswith("This resumes the session of shard 0 of 2, whose connection 1 is still up. ")
    assert finding.text.endswith("was that of shard 1.")


def test_shards_that_resume_their_own_sessions() -> None:
    assert crossed(*two_shards(), back("5e552")) == []
    # A network that fails does so for all shards, and the end of one connection comes to light before the other's.
    assert crossed(*two_shards(1006), back("5e551")) == []
    alone = up(1, for_s=40).waits(10_000).closes(1001, by="server")
    assert crossed(alone, back("5e551")) == []


@pytest.mark.parametrize("code", [4004, 4005, 4006])
def test_another_process_is_named_where_a_login_is_refused(code: int) -> None:
    refused = Conversation(connection=2, at_ns=NOON + 30 * SECOND).opens().server(HELLO).client(identify())
    refused.closes(code, by="server")
    finding = one(found(up(1, client=FAR), refused), f"close-{code}")
    assert finding.text.endswith(
        "Another process uses the same token and shard: connection 1, from '203.0.113.7' with user agent 'DiscordBot'."
    )
    assert 1 in finding.evidence
    assert "Another process" not in one(found(up(1), refused), f"close-{code}").text


def test_another_process_is_named_at_invalid_session() -> None:
    refused = Conversation(connection=2, at_ns=NOON + 30 * SECOND).opens().server(HELLO).client(identify())
    finding = one(found(up(1, client=FAR), refused.server({"op": 9, "d": False})), "invalid-session")
    assert "Another process uses the same token and shard: connection 1, from" in finding.text
