import pytest

from inspector.errors import UsageError
from inspector.simulator import content
from inspector.simulator.scenarios.catalogue import SCENARIOS, scenario
from inspector.simulator.server.connection import to_json
from tests.simulator.direct import closes, run, sent


@pytest.mark.parametrize("name", SCENARIOS)
def test_each_scenario_is_played_to_its_end(name: str) -> None:
    journal, received = run(scenario(name))

    opened = [entry for entry in journal if entry.kind == "open"]
    assert len(closes(journal)) == len(opened)
    said = [entry.payload for entry in journal if entry.kind == "message" and not entry.from_client]
    # Clients that are there at the same time hear each in its own order.
    said = [payload for payload in said if "s" in payload]
    assert (
        (said == received)
        if len(scenario(name).shards) == 1
        else sorted(map(to_json, said)) == sorted(map(to_json, received))
    )


def test_a_resume_replays_what_was_missed_with_its_own_numbers() -> None:
    journal, _ = run(scenario("resume"))

    lost = [entry.seq for entry in sent(journal, 1) if entry.seq]
    replayed = [(entry.seq, entry.event) for entry in sent(journal, 2) if entry.seq]
    asked = next(entry.payload["d"]["seq"] for entry in journal if entry.op == 6)
    assert lost[-1] == asked == 3
    assert replayed[:4] == [(4, "MESSAGE_CREATE"), (5, "TYPING_START"), (6, "MESSAGE_CREATE"), (7, "RESUMED")]
    assert [entry.host for entry in journal if entry.kind == "open"][1] == "gateway-us-east1-b.discord.gg"


def test_a_lost_line_is_in_the_journal_as_1006() -> None:
    journal, _ = run(scenario("resume"))
    assert closes(journal) == [(1006, "server"), (1000, "client")]


def test_every_close_code_comes_once() -> None:
    journal, _ = run(scenario("every-close"))
    assert {4000, 4004, 4009, 4014, 4016, 1000, 1001} <= {code for code, _ in closes(journal)}
    assert {by for _, by in closes(journal)} == {"server"}


@pytest.mark.parametrize("code", [1000, 1006, 4004, 4009, 4014, 4999])
def test_the_gateway_closes_with_any_code_on_demand(code: int) -> None:
    journal, _ = run(scenario(f"close-{code}"))
    assert closes(journal)[0] == (code, "server")


@pytest.mark.parametrize("code", [1001, 4006, 4014, 4015])
def test_the_voice_gateway_closes_with_any_code_on_demand(code: int) -> None:
    journal, _ = run(scenario(f"voice-close-{code}"))
    assert closes(journal)[1] == (code, "server")


def test_a_burst_has_as_many_messages_as_asked_for() -> None:
    _, received = run(scenario("burst-50"))
    assert sum(payload["t"] == "MESSAGE_CREATE" for payload in received) == 50 + 1


def test_a_large_guild_is_large() -> None:
    journal, _ = run(scenario("large"))
    guild = next(entry for entry in journal if entry.event == "GUILD_CREATE")
    assert 350_000 < len(to_json(guild.payload)) < 500_000


def test_hostile_texts_arrive_as_they_are() -> None:
    _, received = run(scenario("hostile"))
    texts = {payload["d"]["content"] for payload in received if payload["t"] == "MESSAGE_CREATE"}
    assert set(content.HOSTILE_TEXTS.values()) < texts
    assert [payload["op"] for payload in received].count(97) == 2


def test_a_voice_resume_sends_again_what_was_missed() -> None:
    journal, _ = run(scenario("voice"))
    first, second = (
        [(entry.op, entry.seq) for entry in sent(journal, number) if entry.op not in (6, 8)] for number in (2, 3)
    )
    assert first == [(2, 1), (11, 2), (4, 3), (5, 4), (5, 5)]
    assert second[:1] == [(9, None)]
    assert second[-3:] == [(11, 6), (5, 7), (13, 8)]


def test_a_name_that_is_not_there_brings_the_nearest() -> None:
    with pytest.raises(UsageError, match=r"there is no scenario 'resum'; did you mean resume\?"):
        scenario("resum")


@pytest.mark.parametrize("name", ["close-1005", "close-999", "voice-close-1006", "voice-close-65536"])
def test_a_code_that_cannot_cross_the_wire_is_refused(name: str) -> None:
    with pytest.raises(UsageError, match="not a close code"):
        scenario(name)
