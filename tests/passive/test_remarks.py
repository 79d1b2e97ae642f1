"""What is said of packets that do not become rows."""

import time
from collections.abc import Sequence

import pytest

from inspector.importers.candidates import identify
from inspector.importers.pcap.keylog import KeyLog
from inspector.importers.pcap.notes import notes_on
from inspector.importers.pcap.tls import NO_KEYS
from inspector.importers.pcap.traffic import Traffic
from inspector.passive.remarks import Remarks
from tests.conversation import usual
from tests.packets import RAW, Packet
from tests.wired import Wired

WIRED = Wired(usual().happenings)


class Heard:
    def __init__(self, *, has_command: bool = True) -> None:
        self.keys = KeyLog()
        self.traffic = Traffic(self.keys, (), lambda opened, first: identify(opened, first, ()))
        self.remarks = Remarks(self.traffic, self.keys, ["any"], () if has_command else ["/there/keys.log"])

    def hears(self, packets: Sequence[Packet]) -> "Heard":
        self.traffic.receive((at_ns, RAW, data, len(data)) for at_ns, data in packets)
        return self

    def waits(self, seconds: float, monkeypatch: pytest.MonkeyPatch) -> list[str]:
        began = time.monotonic()
        monkeypatch.setattr("time.monotonic", lambda: began + seconds)
        return self.remarks.news()


def test_a_reason_is_said_once(monkeypatch: pytest.MonkeyPatch) -> None:
    heard = Heard().hears(WIRED.packets)
    (said,) = heard.waits(2, monkeypatch)
    assert said.startswith(
        "1 connection to gateway.discord.gg could not be decrypted without keys: the client does not"
    )
    heard.hears(Wired(usual().happenings).packets)
    assert heard.waits(4, monkeypatch) == []


def test_a_key_log_without_the_keys_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    (said,) = Heard(has_command=False).hears(WIRED.packets).waits(2, monkeypatch)
    assert "the client does not write them into /there/keys.log; start it with SSLKEYLOGFILE=/there/keys.log" in said


@pytest.mark.parametrize(
    ("packets", "has_command", "words"),
    [
        ([], True, "there were no packets of HTTPS on any"),
        (WIRED.packets[20:], False, "1 TLS connection was already open when the recording began"),
        (WIRED.packets[:3], True, "but no keys: the client does not write them; Python"),
    ],
    ids=["nothing", "late", "no keys"],
)
def test_why_there_is_nothing_is_said_after_a_while(
    packets: Sequence[Packet], has_command: bool, words: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    heard = Heard(has_command=has_command).hears(packets)
    assert heard.waits(5, monkeypatch) == []
    (said,) = heard.waits(60, monkeypatch)
    assert said.startswith("no Discord gateway yet: ")
    assert words in said
    assert heard.remarks.notes(0) == [said.replace("yet", "was seen", 1)]


def test_websockets_of_others_are_named(monkeypatch: pytest.MonkeyPatch) -> None:
    heard = Heard().hears(WIRED.packets[:1])
    for name in ("b.example", "a.example"):
        heard.remarks.saw(name)
    assert heard.waits(60, monkeypatch) == [
        "no Discord gateway yet: only WebSockets to a.example and b.example; --host adds a server of your own"
    ]


def test_nothing_is_said_where_all_is_well(monkeypatch: pytest.MonkeyPatch) -> None:
    heard = Heard()
    heard.keys.add(WIRED.log)
    heard.hears(WIRED.packets)
    heard.remarks.connections = 1
    assert heard.waits(60, monkeypatch) == heard.remarks.notes(0) == []


def test_a_hidden_name_is_said_where_there_is_nothing_else(monkeypatch: pytest.MonkeyPatch) -> None:
    heard = Heard().hears(WIRED.packets[:3])
    heard.traffic.desk.count_unread(NO_KEYS, "cloudflare-ech.com:443")
    (said,) = heard.waits(60, monkeypatch)
    assert said.startswith(
        "no Discord gateway yet: 1 connection hides the server's name (ECH), so no keys can be found;"
    )
    assert notes_on(heard.traffic.desk, 0)[-1] in said
