"""What is noticed about calls that come to nothing."""

import struct
from typing import Any

import pytest

from inspector.model import Plane, Severity
from tests.conversation import ACK, HEARTBEAT, NOON, Conversation, dispatch
from tests.diagnose.finding import found, ids, one
from tests.voice_call import CHANNEL, GUILD, asks, introduced, join, let_in, logged_in, voice, voice_server, voice_state

RULES = {"voice-server-lost", "voice-never-connected", "media-discovery-malformed"}
SECOND = 1_000_000_000
OTHER_HOST = "invented2.discord.media:2048"


def noticed(*talks: Conversation) -> list[str]:
    return [rule for rule in ids(*talks) if rule in RULES]


def goes_on(talk: Conversation, seconds: int = 120) -> Conversation:
    for _ in range(seconds // 20):
        talk.waits(20_000).client({**HEARTBEAT, "d": 3}).server(ACK)
    return talk


def in_call() -> tuple[Conversation, Conversation]:
    """A client that joined and connected; that connection ends after a second."""
    return asks(logged_in()), let_in(introduced(voice())).waits(1000).closes(1000)


def lost(*after: dict[str, Any]) -> Conversation:
    main = asks(logged_in()).waits(5000).server(voice_server(4, None))
    for payload in after:
        main.waits(2000).server(payload)
    return goes_on(main)


def test_voice_server_lost() -> None:
    finding = one(found(lost(), in_call()[1]), "voice-server-lost")
    assert finding.severity is Severity.WARN
    assert "after this VOICE_SERVER_UPDATE with endpoint null there was no other" in finding.text
    assert CHANNEL in finding.text


@pytest.mark.parametrize(
    "after",
    [
        voice_server(5, OTHER_HOST),
        voice_state(None, 5),
        dispatch("CHANNEL_DELETE", {"id": CHANNEL, "guild_id": GUILD}, 5),
    ],
)
def test_a_voice_server_that_is_replaced_or_not_needed(after: dict[str, Any]) -> None:
    assert "voice-server-lost" not in noticed(lost(after), in_call()[1])


def test_a_recording_that_ends_too_soon_says_nothing_of_the_voice_server() -> None:
    main = goes_on(asks(logged_in()).server(voice_server(4, None)), 40)
    assert noticed(main) == []


def again(*, state_first: bool = True) -> tuple[Conversation, Conversation]:
    """The client leaves after three seconds and joins again, and both updates come."""
    main, call = in_call()
    main.waits(3000).client(join(None)).server(voice_state(None, 4)).client(join())
    answers = [voice_state(CHANNEL, 5), voice_server(6, OTHER_HOST)]
    for answer in answers if state_first else reversed(answers):
        main.server(answer)
    return main, call


def test_voice_never_connected() -> None:
    main, call = again()
    finding = one(found(goes_on(main), call), "voice-never-connected")
    assert finding.severity is Severity.WARN
    assert finding.text.endswith("had come, the client had not connected to the voice server.")
    assert len(finding.evidence) == 2


def test_voice_never_connected_after_updates_in_the_rare_order() -> None:
    main, call = again(state_first=False)
    text = one(found(goes_on(main), call), "voice-never-connected").text
    assert text.endswith("VOICE_SERVER_UPDATE came first: the client may wait for the two in the other order.")


def test_calls_that_are_connected() -> None:
    main, call = again()
    second = introduced(voice(3, 4000, OTHER_HOST))
    refused = Conversation(plane=Plane.VOICE, url=f"wss://{OTHER_HOST}/?v=8", connection=3, at_ns=NOON + 4 * SECOND)
    unknown = voice(3, 4000, OTHER_HOST)
    for other in (second, refused.opens(status=None, refusal="no route"), unknown):
        assert noticed(goes_on(main), call, other) == []


def test_voice_that_is_not_recorded_is_not_missed() -> None:
    """As with Lavalink, which connects from another process."""
    assert noticed(goes_on(asks(logged_in()))) == []
    main, call = again()
    left = main.waits(2000).client(join(None)).server(voice_state(None, 7))
    assert noticed(goes_on(left), call) == []


def udp() -> Conversation:
    return Conversation(plane=Plane.MEDIA, url="udp://127.0.0.1:50001", connection=3).waits(200).opens(status=None)


def discovery(data: bytes) -> list[Any]:
    return found(let_in(introduced(voice())), udp().frame(data, from_client=True))


@pytest.mark.parametrize(
    ("data", "text"),
    [
        (struct.pack(">HHI", 1, 70, 1001) + bytes(62), "This IP discovery has 70 bytes; it must have 74."),
        (struct.pack("<HHI", 1, 70, 1001) + bytes(66), "The numbers in this IP discovery have the low byte first."),
        (
            struct.pack(">I", 1001) + bytes(66),
            "This looks like old IP discovery: 70 bytes, without type and length.",
        ),
        (struct.pack(">HHI", 1, 70, 7) + bytes(66), "This IP discovery is for SSRC 7; Ready gave 1001."),
        (
            struct.pack(">HHI", 2, 70, 1001) + bytes(66),
            "This IP discovery is of type 2, which is the server's answer; a request has type 1.",
        ),
    ],
)
def test_media_discovery_malformed(data: bytes, text: str) -> None:
    finding = one(discovery(data), "media-discovery-malformed")
    assert finding.severity is Severity.ERROR
    assert finding.text == text


@pytest.mark.parametrize("data", [struct.pack(">HHI", 1, 70, 1001) + bytes(66), bytes(range(1, 40)), b"\x01" * 70, b""])
def test_ip_discovery_as_it_should_be_and_what_is_none(data: bytes) -> None:
    assert "media-discovery-malformed" not in [each.rule for each in discovery(data)]
