"""What happened, rewritten: one happening after the other, in their order."""

import re
import zlib
from collections import deque
from collections.abc import Iterator
from dataclasses import dataclass, field, replace

from inspector.model import Closed, Control, Frame, Gap, Happening, Mark, Opened, Payload, Plane, Undecoded
from inspector.protocol.registry import Registry
from inspector.scrub.binary import Binary
from inspector.scrub.kinds import Kind
from inspector.scrub.payloads import PayloadVisitor, Rewriter
from inspector.scrub.rewriting import Unwalkable, rewrite_etf, rewrite_json
from inspector.scrub.streams import Stream, broken
from inspector.wire.decoder import Decoder
from inspector.wire.dialect import Compression
from inspector.wire.inflate import MAX_PAYLOAD, InflateError, inflate_whole

# Happenings that wait for the rest of a payload before they are given without it.
_MOST_WAITING = 20_000
# Parameters of a gateway's address that say how it speaks.
_PARAMETERS = frozenset({"v", "encoding", "compress", "rpc", "dave"})
_PROGRAMS = re.compile(
    r"(?:DiscordBot|Discord|discord\.?(?:py|js)?|@discordjs/ws|Python|CPython|PyPy|aiohttp|websockets?|websocket-client|hikari"
    r"|nextcord|disnake|py-?cord|Pycord|Node\.js|node|undici|ws|Bun|Deno|Eris|OceanicJS|Oceanic|JDA|Java(?:-http-client)?|okhttp"
    r"|Go-http-client|curl|Mozilla|AppleWebKit|KHTML|Gecko|Chrome|Safari|Firefox|Electron|Edg|tokio-tungstenite|tungstenite"
    r"|serenity|twilight|discordgo|gorilla|Discord\.Net|DSharpPlus)(?:/[\d.]+\w{0,8})?",
    re.ASCII,
)
_SYSTEM = re.compile(
    r"Windows NT [\d.]+|Win64|x64|x86_64|aarch64|arm64|Linux|Macintosh|Intel Mac OS X [\d_.]+|X11|like|"
    r"v?\d{1,3}(?:\.\d{1,5}){0,3}\w{0,4}",
    re.ASCII,
)
_REPOSITORIES = re.compile(
    r"https?://(?:github\.com/(?:Rapptz/discord\.py|nextcord/nextcord|DisnakeDev/disnake|Pycord-Development/pycord|hikari-py/hikari"
    r"|discordjs/discord\.js|abalabahaha/eris|OceanicJS/Oceanic|discord-jda/JDA|bwmarrin/discordgo|serenity-rs/serenity"
    r"|twilight-rs/twilight|interactions-py/interactions\.py)|discord\.js\.org|www\.hikari-py\.dev)/?"
)
_PART = re.compile(r"https?://[^\s,;()]+|[^\s,;()]+")


@dataclass(slots=True)
class _Talk:
    """A connection as it goes on."""

    opened: Opened
    decoder: Decoder
    stream: Stream | None = None
    waiting: list["_Slot"] = field(default_factory=list)
    """Messages of the stream whose payload has not come whole."""
    decoded: list[bytes] = field(default_factory=list)
    """What the payloads that came in them have become."""


@dataclass(slots=True)
class _Slot:
    """The place of a happening that is not known yet."""

    happening: Happening
    is_ready: bool = True


class Scrubber:
    """Rewrites the happenings of one capture. They come out in order; some only with a later one, or at the end."""

    def __init__(self, registry: Registry, rewriter: Rewriter) -> None:
        self._registry = registry
        self._rewriter = rewriter
        self._binary = Binary(rewriter)
        self._talks: dict[int, _Talk] = {}
        self._queue: deque[_Slot] = deque()

    def feed(self, happening: Happening) -> Iterator[Happening]:
        """Take the next happening and yield what is ready."""
        slot = _Slot(happening)
        self._queue.append(slot)
        talk = self._talks.get(happening.connection)
        match happening:
            case Opened():
                self._talks[happening.connection] = _Talk(
                    happening, Decoder(happening.plane, happening.url, joined_late=happening.joined_late)
                )
                slot.happening = self._opened(happening)
            case Frame():
                if talk is None:
                    talk = self._talks[happening.connection] = _Talk(
                        Opened(happening.connection, happening.at_ns, Plane.GATEWAY, ""),
                        Decoder(Plane.GATEWAY, "", joined_late=True),
                    )
                self._frame(talk, slot, happening)
            case Control():
                if happening.data:
                    slot.happening = replace(happening, data=self._ping(happening.data))
            case Closed():
                if talk is not None:
                    self._break(talk)
                    del self._talks[happening.connection]
                slot.happening = self._closed(happening)
            case Gap() if talk is not None:
                if happening.received:
                    self._break(talk)
                talk.decoder.skip(happening.received)
        if len(self._queue) > _MOST_WAITING:
            for each in self._talks.values():
                self._break(each)
        yield from self._ready()

    def finish(self) -> Iterator[Happening]:
        """Yield what is left."""
        for talk in self._talks.values():
            self._break(talk)
        yield from self._ready()

    def _ready(self) -> Iterator[Happening]:
        queue = self._queue
        while queue and queue[0].is_ready:
            yield self._moved(queue.popleft().happening)

    def _moved(self, happening: Happening) -> Happening:
        shift_ns = self._rewriter.shift_ns
        if not shift_ns:
            return happening
        if isinstance(happening, Gap):
            return replace(
                happening,
                at_ns=happening.at_ns + shift_ns,
                since_ns=happening.since_ns + shift_ns,
                until_ns=happening.until_ns + shift_ns,
            )
        return replace(happening, at_ns=happening.at_ns + shift_ns)

    def _frame(self, talk: _Talk, slot: _Slot, frame: Frame) -> None:
        if frame.forwarded:
            frame = replace(frame, forwarded=self._forwarded(talk, frame))
        slot.happening = frame
        if talk.opened.plane is Plane.MEDIA:
            slot.happening = replace(frame, data=self._binary.packet(frame.data))
            return
        if frame.marks & Mark.WITHHELD:
            talk.decoder.receive(frame)
            slot.happening = replace(frame, data=self._rewriter.free(frame.data.decode("utf-8", "replace")).encode())
            return
        was_lost = talk.decoder.lost is not None
        readings = talk.decoder.receive(frame)
        if not self._is_of_stream(talk, frame):
            slot.happening = replace(frame, data=self._alone(talk, frame, readings[0].what if readings else None))
            return
        if was_lost:
            slot.happening = replace(frame, data=broken(len(frame.data)))
            return
        talk.waiting.append(slot)
        slot.is_ready = False
        for reading in readings:
            if isinstance(reading.what, Payload):
                talk.decoded.append(self._payload(talk, reading.what, from_client=False))
        if talk.decoder.lost is not None:
            self._break(talk)
        elif talk.decoder.is_between_payloads:
            self._compress(talk)

    def _is_of_stream(self, talk: _Talk, frame: Frame) -> bool:
        own = not (frame.is_text or frame.from_client or frame.marks & Mark.INJECTED)
        compression = talk.decoder.compression
        return own and talk.opened.plane is Plane.GATEWAY and compression not in (None, Compression.NONE)

    def _compress(self, talk: _Talk) -> None:
        """Give the messages that wait what the payloads in them have become."""
        if talk.stream is None:
            assert talk.decoder.compression is not None
            talk.stream = Stream(talk.decoder.compression)
        frames = [slot.happening for slot in talk.waiting if isinstance(slot.happening, Frame)]
        made = talk.stream.messages(b"".join(talk.decoded), [len(frame.data) for frame in frames])
        for slot, frame, data in zip(talk.waiting, frames, made, strict=True):
            slot.happening = replace(frame, data=data)
            slot.is_ready = True
        talk.waiting, talk.decoded = [], []

    def _break(self, talk: _Talk) -> None:
        """Give up what waits: it never came whole, or could not be read."""
        for slot in talk.waiting:
            assert isinstance(slot.happening, Frame)
            slot.happening = replace(slot.happening, data=broken(len(slot.happening.data)))
            slot.is_ready = True
        talk.waiting, talk.decoded = [], []

    def _alone(self, talk: _Talk, frame: Frame, what: Payload | Undecoded | None) -> bytes:
        """Return what a message that shares no state with others has become."""
        if not frame.data or what is None:
            return b""
        if isinstance(what, Undecoded):
            return self._unread(frame, what)
        try:
            made = self._payload(talk, what, from_client=frame.from_client)
            behind = frame.data[len(what.data) :] if frame.data.startswith(what.data) else b""
            if frame.data.startswith(what.data):
                # What follows a payload is no one's: its length is all that it says.
                return made + b"\0" * len(behind)
            inflate_whole(frame.data, MAX_PAYLOAD)
            return zlib.compress(made)
        except (Unwalkable, InflateError):
            return self._unread(frame, Undecoded("corrupt", "it could not be rewritten"))

    def _unread(self, frame: Frame, why: Undecoded) -> bytes:
        """Return bytes of the same number that cannot be read either, in a way that is as near as can be."""
        size = len(frame.data)
        if why.reason == "truncated" and frame.data[:1] == b"{":
            return b'{"'[:size].ljust(size, b"x")
        if frame.data[:1] == b"\x83":
            return b"\x83".ljust(size, b"\xff")
        return b"x" * size

    def _payload(self, talk: _Talk, payload: Payload, *, from_client: bool) -> bytes:
        plane = talk.opened.plane
        if payload.encoding == "binary":
            return self._binary.message(payload.data, payload.d, from_client, talk.decoder.dialect.version)
        name = payload.event or self._registry.name(plane, payload.op)
        visitor = PayloadVisitor(self._rewriter, plane.value, name, payload.event)
        if payload.encoding == "etf":
            return rewrite_etf(payload.data, visitor)
        return rewrite_json(payload.data, visitor)

    def _forwarded(self, talk: _Talk, frame: Frame) -> bytes | None:
        """Return what the other end got, where that can be read alone; of a stream no one knows."""
        alone = replace(frame, data=frame.forwarded or b"", forwarded=None)
        what = Decoder(talk.opened.plane, talk.opened.url).read_alone(alone)
        if not isinstance(what, Payload):
            return b"x" * len(alone.data)
        return self._alone(talk, alone, what)

    def _ping(self, data: bytes) -> bytes:
        return self._rewriter.pseudonyms.data("pings", data)

    def _opened(self, opened: Opened) -> Opened:
        return replace(
            opened,
            url=self._address(opened.url),
            client=self._client(opened.client),
            refusal=self._refusal(opened),
            headers={name: self._header(name, value) for name, value in opened.headers.items()},
        )

    def _refusal(self, opened: Opened) -> str | None:
        if not opened.refusal:
            return opened.refusal
        said, found, _ = opened.refusal.partition(" (cf-ray ")
        ray = opened.headers.get("response-cf-ray", "")
        made = self._rewriter.reason(said)
        return f"{made} (cf-ray {self._header('response-cf-ray', ray)})" if found and ray else made

    def _address(self, url: str) -> str:
        before, _, query = url.partition("#")[0].partition("?")
        kept = "&".join(part for part in query.split("&") if part.partition("=")[0] in _PARAMETERS)
        scheme, sign, rest = before.rpartition("://")
        place, slash, _ = rest.partition("/")
        # A login may stand before it.
        place = place.rpartition("@")[2]
        host, colon, port = place.rpartition(":")
        if not colon or not port.isdigit():
            host, colon, port = place, "", ""
        return f"{scheme}{sign}{self._rewriter.host(host)}{colon}{port}{slash}" + (f"?{kept}" if kept else "")

    def _client(self, client: str | None) -> str | None:
        if not client:
            return client
        host, _, port = client.rpartition(":")
        return f"{self._rewriter.host(host)}:{port}" if host else self._rewriter.host(client)

    def _header(self, name: str, value: str) -> str:
        if name == "user-agent":
            return _PART.sub(self._agent, value)
        if name in ("sec-websocket-extensions", "response-sec-websocket-extensions", "response-server"):
            return value if re.fullmatch(r"[a-z0-9_;=, -]{0,120}", value) else "x" * len(value)
        if name == "response-cf-ray":
            return self._rewriter.pseudonyms.hex(Kind.OTHER, value.partition("-")[0])
        if "://" in value:
            return self._rewriter.url(value) if not re.fullmatch(r"https?://(?:\w+\.)?discord\.com/?", value) else value
        return self._rewriter.pseudonyms.name(Kind.OTHER, value, len(value)).lower() if value else value

    def _agent(self, found: re.Match[str]) -> str:
        part = found[0]
        known = _PROGRAMS.fullmatch(part) or _SYSTEM.fullmatch(part) or _REPOSITORIES.fullmatch(part)
        if known or part in ("NT", "Windows", "Intel", "Mac", "OS", "X") or Kind.AGENT in self._rewriter.kept:
            self._rewriter.vocabulary.add(part)
            return part
        self._rewriter.counts[Kind.AGENT] += 1
        if "://" in part:
            return self._rewriter.url(part)
        name, sign, version = part.partition("/")
        invented = self._rewriter.pseudonyms.name(Kind.AGENT, name, len(name))
        return invented + (sign + version if re.fullmatch(r"v?[\d.]{1,12}", version) else sign)

    def _closed(self, closed: Closed) -> Closed:
        return replace(closed, reason=self._rewriter.reason(closed.reason)) if closed.reason else closed
