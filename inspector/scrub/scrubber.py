"""What becomes of a recording that is scrubbed."""

import re
import zlib
from dataclasses import replace

from inspector.model import Closed, Control, Frame, Gap, Happening, Mark, Opened, Payload, Plane, StartLimit, Undecoded
from inspector.protocol.registry import Registry
from inspector.scrub.binary import Binary
from inspector.scrub.kinds import Kind
from inspector.scrub.payloads import PayloadVisitor, Rewriter
from inspector.scrub.recoding import Changes, unreadable
from inspector.scrub.rewriting import Unwalkable, rewrite_etf, rewrite_json
from inspector.wire.decoder import Decoder

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


class Scrubbing(Changes):
    """Takes secrets and people out, with the pseudonyms of `rewriter`."""

    def __init__(self, registry: Registry, rewriter: Rewriter) -> None:
        self._registry = registry
        self._rewriter = rewriter
        self._binary = Binary(rewriter)

    def opened(self, opened: Opened) -> Opened:
        return replace(
            opened,
            url=self._address(opened.url),
            client=self._client(opened.client),
            refusal=self._refusal(opened),
            headers={name: self._header(name, value) for name, value in opened.headers.items()},
        )

    def control(self, control: Control) -> Control:
        return replace(control, data=self._rewriter.pseudonyms.data("pings", control.data)) if control.data else control

    def closed(self, closed: Closed) -> Closed:
        return replace(closed, reason=self._rewriter.reason(closed.reason)) if closed.reason else closed

    def limit(self, limit: StartLimit) -> StartLimit:
        return replace(limit, token=self._rewriter.digest(limit.token)) if limit.token else limit

    def moved(self, happening: Happening) -> Happening:
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

    def alone(self, frame: Frame, what: Payload | Undecoded | None, opened: Opened, decoder: Decoder) -> Frame:
        if frame.forwarded:
            frame = replace(frame, forwarded=self._forwarded(frame, opened))
        if opened.plane is Plane.MEDIA:
            return replace(frame, data=self._binary.packet(frame.data))
        if frame.marks & Mark.WITHHELD:
            return replace(frame, data=self._rewriter.free(frame.data.decode("utf-8", "replace")).encode())
        return replace(frame, data=self._changed(frame, what, opened, decoder))

    def payload(self, payload: Payload, opened: Opened, decoder: Decoder) -> bytes:
        return self._payload(payload, opened, decoder, from_client=False)

    def _changed(self, frame: Frame, what: Payload | Undecoded | None, opened: Opened, decoder: Decoder) -> bytes:
        if not frame.data or what is None:
            return b""
        if isinstance(what, Undecoded):
            return unreadable(what, len(frame.data))
        made = self._payload(what, opened, decoder, from_client=frame.from_client)
        if frame.data.startswith(what.data):
            # Of what follows a payload only the length is kept.
            return made + bytes(len(frame.data) - len(what.data))
        return zlib.compress(made)

    def _payload(self, payload: Payload, opened: Opened, decoder: Decoder, *, from_client: bool) -> bytes:
        if payload.encoding == "binary":
            return self._binary.message(payload.data, payload.d, from_client, decoder.dialect.version)
        name = payload.event or self._registry.name(opened.plane, payload.op)
        visitor = PayloadVisitor(self._rewriter, opened.plane.value, name, payload.event)
        if payload.encoding == "etf":
            try:
                return rewrite_etf(payload.data, visitor)
            except Unwalkable:
                return unreadable(Undecoded("bad-etf", ""), len(payload.data))
        return rewrite_json(payload.data, visitor)

    def _forwarded(self, frame: Frame, opened: Opened) -> bytes:
        """Return what the other end got."""
        alone = replace(frame, data=frame.forwarded or b"", forwarded=None)
        decoder = Decoder(opened.plane, opened.url)
        what = decoder.read_alone(alone)
        return self._changed(alone, what or Undecoded("corrupt", ""), opened, decoder)

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
