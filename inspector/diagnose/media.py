"""Rules about a call's UDP: the way to the voice server, and the sound and pictures that go over it."""

from collections.abc import Iterator
from typing import Any

from inspector.diagnose.rule import MS, SECOND, Noticed, Situation, receives, rule, sends, silence
from inspector.model import Knows, Plane, Severity
from inspector.words import counted, roughly

MEDIA = Plane.MEDIA
# Time in which the voice server tells a client its address, generously.
DISCOVERY_NS = 3 * SECOND
# Share of packets from which on loss can be heard, and packets from which on a share says something.
AUDIBLE_LOSS = 0.05
FEWEST_PACKETS = 50
# Time after a transition in which listeners still take what is not encrypted, or is by the keys before.
TOLERATED_NS = 10 * SECOND
# Frames without encryption that are more than a chance.
FEWEST_PLAIN = 3
# No count that a real call has comes near it, and floats have no more whole numbers from there on.
_LARGEST = 2**53


@rule(
    "media-address-unanswered",
    Severity.ERROR,
    silence(MEDIA),
    remedy="Allow UDP to the voice server's address and port: a firewall, NAT or proxy in between drops it.",
    source=("official-voice", "derived"),
)
def media_address_unanswered(now: Situation) -> Iterator[Noticed]:
    """IP discovery got no answer, so no media can get through.

    Without its own address the client cannot send Select Protocol, so the call gets no key and no sound.
    """
    asked = now.connection.media.discovery
    if asked is not None and now.passed(asked.at_ns + DISCOVERY_NS):
        yield Noticed(
            f"{roughly(now.at_ns - asked.at_ns)} after the client asked for its address nothing came.", (asked.n,)
        )


@rule(
    "media-loss",
    Severity.WARN,
    sends(MEDIA, "rtp"),
    receives(MEDIA, "rtp"),
    remedy="Look at the network between the two ends, and whether the client sends and reads in time: a loop that is "
    "blocked loses packets too.",
    source=("rfc3550", "derived"),
)
def media_loss(now: Situation) -> Iterator[Noticed]:
    """So many packets are missing that it can be heard or seen.

    If the missing packets are the client's own, it never sent them: they are recorded before they reach the network.
    """
    packets, lost = _number(now.d, "packets"), _number(now.d, "lost")
    if packets + lost >= FEWEST_PACKETS and lost >= AUDIBLE_LOSS * (packets + lost):
        share = 100 * lost / (packets + lost)
        yield Noticed(f"{lost:,} of {counted(packets + lost, 'packet')} are missing ({share:.0f} %).")


@rule(
    "media-before-speaking",
    Severity.WARN,
    sends(MEDIA, "rtp"),
    remedy="Send Speaking (op 5) with your SSRC before the first audio packet.",
    source=("official-voice", "community-voice"),
    needs=Knows.TIMES,
)
def media_before_speaking(now: Situation) -> Iterator[Noticed]:
    """The client sent audio before Speaking (op 5).

    The voice server does not know whose SSRC it is, and drops the audio or the client.
    """
    voice = now.connection.media.owner
    if voice is None or not voice.is_whole or not _is_audio(now.d):
        return
    began_ns = now.at_ns - int(_number(now.d, "duration_ms") * MS)
    speaking = voice.voice.speaking
    if speaking is None:
        yield Noticed("Audio was sent without Speaking before it.")
    elif speaking.at_ns > began_ns:
        early = roughly(speaking.at_ns - began_ns)
        yield Noticed(f"Audio was sent {early} before the client's first Speaking.", (speaking.n,))


@rule(
    "media-wrong-ssrc",
    Severity.ERROR,
    sends(MEDIA, "rtp"),
    remedy="Send audio with the SSRC from Ready (op 2).",
    source=("official-voice",),
)
def media_wrong_ssrc(now: Situation) -> Iterator[Noticed]:
    """The client sent audio with an SSRC that is not its own; no one will hear it."""
    voice = now.connection.media.owner
    ready = voice.voice.ready if voice is not None else None
    if ready is None or ready.ssrc is None or not _is_audio(now.d):
        return
    ssrc = _number(now.d, "ssrc")
    if ssrc != ready.ssrc:
        yield Noticed(f"Audio was sent with SSRC {ssrc}; Ready gave {ready.ssrc}.", (ready.n,))


@rule(
    "media-without-dave",
    Severity.WARN,
    sends(MEDIA, "rtp"),
    receives(MEDIA, "rtp"),
    remedy="Where the client sends: encrypt every frame but silence as soon as the transition is executed (op 22, or "
    "at once for transition 0), and send nothing while there is no key. Where another does: that client is at fault.",
    source=("dave", "derived"),
    needs=Knows.TIMES,
)
def media_without_dave(now: Situation) -> Iterator[Noticed]:
    """Frames are sent without end-to-end encryption in a call that has it.

    Listeners hear noise or nothing: 10 seconds after the call's encryption has begun, or changed, they drop what is
    not encrypted; only silence may go without. The trailer that tells is inside the transport encryption. So a few
    packets of each stream are looked into as they are recorded or imported, before the call's key is masked. Of a
    recording that begins after the key, or of which the key was masked already, nothing is known.
    """
    voice, plain, sealed = now.connection.media.owner, _number(now.d, "without_dave"), _number(now.d, "with_dave")
    since = voice.voice.encryption.sealed_since() if voice is not None and voice.is_whole else None
    began_ns = now.at_ns - int(_number(now.d, "duration_ms") * MS)
    if since is None or plain < FEWEST_PLAIN or began_ns < since.at_ns + TOLERATED_NS:
        return
    if now.d.get("media") not in ("audio", "video"):
        return
    whose = "the client's" if now.event.from_client else "another user's"
    yield Noticed(
        f"{plain:,} of {counted(plain + sealed, 'frame')} of {whose} {now.d['media']} that were looked into (SSRC "
        f"{_number(now.d, 'ssrc')}) are not encrypted end to end, {roughly(began_ns - since.at_ns)} after the last "
        "change of the call's encryption.",
        (since.n,),
        Severity.ERROR if now.event.from_client else None,
    )


def _is_audio(d: Any) -> bool:
    return type(d) is dict and d.get("media") == "audio"


def _number(d: Any, key: str) -> int:
    value = d.get(key) if type(d) is dict else None
    # Anyone who wrote a capture may have put anything there.
    return int(value) if isinstance(value, int | float) and 0 <= value < _LARGEST else 0
