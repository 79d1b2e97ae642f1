"""What to say of connections that could not be read, and what to do about it."""

from collections.abc import Mapping

from inspector.importers.pcap.conversation import HOLE, HTTP_2, LATE, Desk
from inspector.importers.pcap.tls import BROKEN, NO_CIPHER, NO_KEYS, NO_START
from inspector.inert import short
from inspector.words import counted, listed

# Names that a sentence lists, and characters of one.
_NAMED, _LONGEST = 5, 80


def notes_on(desk: Desk, keys: int) -> list[str]:
    """Return a sentence for each reason. `keys`: of how many connections there are secrets."""
    said = list(
        on_gateways(desk, {NO_KEYS: _no_keys(keys), NO_START: _LATE_START, LATE: _LATE_START, HOLE: _HOLE}).values()
    )
    others = sum(number for (why, name), number in desk.unread.items() if why == NO_KEYS and not name)
    if others:
        said.append(f"{counted(others, _ELSEWHERE)} skipped: no keys")
    if desk.hidden:
        said.append(hidden(desk))
    late = sum(number for (why, name), number in desk.unread.items() if why in (LATE, NO_START) and not name)
    if late:
        said.append(f"{counted(late, 'TLS connection')} {_LATE_START}")
    if desk.seen_twice:
        said.append(f"{counted(desk.seen_twice, _WAS)} recorded on more than one interface; shown once")
    return said


def hidden(desk: Desk) -> str:
    """Return what to say of connections that hide where they lead."""
    return (
        f"{counted(desk.hidden, 'connection hides/connections hide')} the server's name (ECH), so no keys can be "
        "found; turn ECH off in the client (Chrome: --disable-features=EncryptedClientHello; Firefox: "
        "network.dns.echconfig.enabled)"
    )


def on_gateways(desk: Desk, how: Mapping[str, str]) -> dict[str, str]:
    """Return what to say of gateways that could not be read, by the reason.

    `how`: what to say for the reasons that depend on how the packets were recorded, as the second half of a sentence.
    """
    how = {
        **how,
        NO_CIPHER: f"could not be decrypted: only AES-GCM and ChaCha20-Poly1305 are read{_ciphers(desk)}",
        BROKEN: "could not be decrypted: the keys do not match; check that the key log belongs to this recording",
        HTTP_2: "could not be read: the client uses HTTP/2 there; make it use HTTP/1.1 for WebSockets",
    }
    said = {}
    for reason, text in how.items():
        names = [name for (why, name), _ in desk.unread.most_common() if why == reason and name]
        count = sum(number for (why, name), number in desk.unread.items() if why == reason and name)
        if count:
            shown = [short(name, _LONGEST) for name in names[:_NAMED]] + ["more"] * (len(names) > _NAMED)
            said[reason] = f"{counted(count, 'connection')} to {listed(shown)} {text}"
    return said


_WAS = "connection was/connections were"
_ELSEWHERE = "TLS connection to another server was/TLS connections to other servers were"
_HOLE = "could not be read: the first packets are missing; record with a larger buffer (dumpcap -B 64)"
_LATE_START = "could not be decrypted: already open when the recording began; start recording first, then the client"


def _no_keys(keys: int) -> str:
    if not keys:
        return (
            "could not be decrypted: there are no keys; run the client with SSLKEYLOGFILE=keys.log (Node: "
            "--tls-keylog=keys.log) while you record, and pass --keys keys.log"
        )
    return (
        f"could not be decrypted: there are keys, but only of {counted(keys, 'other connection')}; use the key log of "
        "the process that opened it"
    )


def _ciphers(desk: Desk) -> str:
    numbers = sorted(number for number in desk.ciphers if number)
    return f", and the cipher was {listed(f'0x{number:04x}' for number in numbers[:_NAMED])}" if numbers else ""
