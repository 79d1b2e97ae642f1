"""Records Discord gateway traffic: ``mitmdump -s gwinspect.py --set gwinspect_capture=bot.gwcap``.

Where gwinspect can be imported, installed or in the checkout around this file, this is its recorder. In any other
mitmproxy (11.0.2 or newer; Homebrew, pipx, the standalone binary) it is the small one below. That needs the standard
library and mitmproxy alone, and appends what crosses the wire to ``bot.frames.jsonl``, which gwinspect reads wherever
it is installed. docs/frames.md describes the format.

Rules of the small one: traffic is never changed, hooks never raise, no secret gets into the file but in the server's
compressed stream, and all of it is in this file, so that it can be copied anywhere. Python 3.10 is enough, as for
mitmproxy 11.0.2.
"""

import ast
import base64
import hashlib
import importlib.util
import json
import logging
import os
import re
import shlex
import stat
import sys
import time
import zlib
from collections.abc import Sequence
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

from mitmproxy import ctx, http, tls, version

try:
    import fcntl
except ImportError:  # there is none on Windows
    fcntl = None  # type: ignore[assignment]

# mitmproxy's level for what a person should see although it is no warning.
ALERT = logging.INFO + 1
# What --allow-hosts takes so that only Discord's gateways are decrypted.
GATEWAYS = r"(^|\.)discord\.(gg|media):\d+$"

# Keys of values that are masked, in JSON and ETF, and what else has the shape of a secret wherever it is: Discord's
# tokens, webhooks, gift links, logins, e-mail addresses. gwinspect's own table and shapes, as far as they are few.
_SECRETS = (
    "token",
    "session_id",
    "auth_token",
    "analytics_token",
    "static_client_session_id",
    "auth_session_id_hash",
    "access_token",
    "client_secret",
    "handshake_token",
    "authorization",
    "cookie",
    "proxy-authorization",
    "password",
    "new_password",
    "captcha_key",
    "captcha_rqtoken",
    "captcha_rqdata",
    "refresh_token",
    "id_token",
    "code_verifier",
    "webhook_token",
    "api_key",
    "email",
    "phone",
    "phone_number",
    "secrets",
    "secret_key",
    "sdp",
    "purchase_token_hash",
    "lobby_secret",
    "target_session_id",
    "encoded_public_key",
    "encrypted_nonce",
    "encrypted_user_payload",
    "encrypted_token",
    "ticket",
)
# And where a phone logs in a desktop.
_REMOTE_AUTH = ("nonce", "fingerprint")
_SHAPES = (
    rb"mfa\.[\w-]{20,}|[\w-]{18,40}\.[\w-]{6}\.[\w-]{27,}|aW50ZXJhY3Rpb24[\w+/=-]{16,}"
    rb"|eyJ[\w-]{8,}\.[\w-]{8,}(?:\.[\w-]*)?|(?<=/webhooks/)\d{5,20}/[\w-]{8,}|(?<=/interactions/)\d{5,20}/[\w=+-]{8,}"
    rb"|(?<=discord\.gift/)[\w-]{5,}|(?<=promos\.discord\.gg/)[\w-]{5,}|(?<=/gifts/)[\w-]{5,}"
    rb"|(?<=\b[Bb]ot )(?=\S*\d)[\w.~+/-]{20,}=*|(?<=\b[Bb]earer )[\w.~+/-]{8,}=*|(?<=ice-pwd:)[A-Za-z0-9+/]{22,256}"
)
_GUESSABLE = (
    rb"(?<=://)[^\s/?#@\"'<>]{1,256}(?=@)"
    rb"|[\w.+%-]{1,64}@[A-Za-z0-9-]{1,63}(?:\.[A-Za-z0-9-]{1,63}){0,8}\.[A-Za-z]{2,24}"
)
_SHAPE = re.compile(rb"(m\0[\0-\xff]{3}|k\0[\0-\xff])?(?:(%b)|(%b))" % (_SHAPES, _GUESSABLE), re.ASCII)
_ANNOUNCED = re.compile(
    rb"((?<![\w-])[\w-]{0,40}?(?:(?:token|secrets?|password|passwd|authorization|api[_-]?key|captcha_key|secret_key|session_id"
    rb"|captcha_rqdata|private_key|code_verifier)(?:\\*[\"'])?\s{0,4}[:=]\s{0,4}"
    rb"|(?:ticket|cookie|pwd|phone)(?:=|\\*[\"']\s{0,4}:\s{0,4})))"
    rb"(?:(\\*[\"'])(.*?)(?:\2|\Z)|(\[[^\]]{2,4000}|(?:(?:bot|bearer|basic) )?[^\s,;&\"'<>{}()\[\]\\]{8,}))",
    re.IGNORECASE | re.DOTALL | re.ASCII,
)
_JSON_TOKEN = re.compile(rb'"([^"\\]*(?:\\.[^"\\]*)*)"(\s*:\s*)?|[\[\]{}]|-?\d[\d.eE+-]*', re.DOTALL)
_MASK = re.compile(rb"masked-[0-9a-f]{8}\*+|\*+")
_HIDDEN = "\u2022" * 4
# Parameters of a gateway's address that say how it speaks.
_HARMLESS = ("v", "encoding", "compress", "client_id", "rpc", "dave")

_REQUEST_HEADERS = ("user-agent", "origin", "sec-websocket-extensions", "sec-websocket-protocol")
_RESPONSE_HEADERS = ("sec-websocket-extensions", "cf-ray", "server")
# The one HTTP answer that is of interest, what of it is kept, and bytes that it may have.
_LIMIT_PATH = re.compile(r"/api(?:/v\d{1,2})?/gateway/bot/?(?:\?.*)?")
_LIMIT_KEYS = ("total", "remaining", "reset_after", "max_concurrency")
_MOST_BODY = 16 * 1024
_DIRECTIONS = {True: "send", False: "receive"}
# Pings have no hook in mitmproxy; its log is the one place where they show.
_PINGS = logging.getLogger("mitmproxy.proxy.server")
_PING = re.compile(r"^Received WebSocket (ping|pong) from (client|server) \(payload: (b.*)\)$", re.DOTALL)
_OPTIONS: tuple[tuple[str, Any, Any, str], ...] = (
    ("capture", str, "", "File to record Discord gateways into: NAME.gwcap becomes NAME.frames.jsonl."),
    ("hosts", Sequence[str], [], "More hosts whose WebSockets are Discord gateways: HOST, HOST:PORT or *.HOST."),
    ("keep_secrets", bool, False, "Keep secrets in what is recorded instead of masking them."),
    ("media", bool, True, "Has no effect: UDP is recorded only where gwinspect is installed in mitmproxy's Python."),
    ("trim", bool, False, "Drop messages from mitmproxy once they are recorded, so that memory stays flat."),
)

log = logging.getLogger("gwinspect")


def _make_inert(record: logging.LogRecord) -> bool:
    """Write out what would act on the terminal that mitmproxy prints its log on."""
    text = record.getMessage()
    record.msg = "".join(c if c.isprintable() else c.encode("unicode_escape").decode() for c in text)
    record.args = None
    return True


class FrameRecorder:
    """Appends what Discord's WebSockets carry to a file. `why`: the reason why gwinspect itself does not record."""

    def __init__(self, why: str) -> None:
        log.addFilter(_make_inert)
        self._why = why
        self._file: _File | None = None
        self._flows: dict[str, _Flow | None] = {}
        self._count = 0

    def load(self, loader: Any) -> None:
        for name, kind, default, about in _OPTIONS:
            loader.add_option(f"gwinspect_{name}", kind, default, about)

    def configure(self, updated: set[str]) -> None:
        if "gwinspect_capture" in updated and self._file is not None:
            self.done()
            self.running()

    def running(self) -> None:
        if self._file is not None:
            return
        name = ctx.options.gwinspect_capture or time.strftime("gwinspect-%Y%m%d-%H%M%S")
        path = Path(name.removesuffix(".frames.jsonl").removesuffix(".gwcap") + ".frames.jsonl").expanduser()
        try:
            self._file = _File(path)
        except (OSError, ValueError) as error:
            why = f"{path}: {error.strerror}" if isinstance(error, OSError) else error
            log.error("gwinspect: nothing is recorded: %s", why)
            return
        _PINGS.addFilter(self._see_ping)
        log.log(ALERT, "gwinspect: recording Discord gateways into %s as frames, because %s", path, self._why)
        log.log(ALERT, "gwinspect: to watch it, where gwinspect is: gwinspect open --follow %s", shlex.quote(str(path)))
        if not ctx.options.allow_hosts:
            everything = "allow_hosts is not set, so mitmproxy decrypts the TLS of every host"
            log.log(ALERT, "gwinspect: %s; for Discord's gateways only, add --allow-hosts '%s'", everything, GATEWAYS)

    def done(self) -> None:
        if self._file is None:
            return
        _PINGS.removeFilter(self._see_ping)
        for seen in filter(None, self._flows.values()):
            seen.put("close", code=None, reason="mitmproxy was stopped", by="proxy")
        self._file.put({"kind": "end", "at": _time()})
        self._file.close()
        self._file, self._flows, self._count = None, {}, 0

    def websocket_start(self, flow: http.HTTPFlow) -> None:
        # mitmproxy listens a moment before it is running. What is said until then is taken with the next message.
        if self._file is not None:
            at = flow.response.timestamp_start or flow.request.timestamp_start
            self._flows[flow.id] = self._open(flow, at) if _leads_to_gateway(flow) else None

    def websocket_message(self, flow: http.HTTPFlow) -> None:
        if self._file is not None and self._file.is_gone():
            log.error("gwinspect: the file was deleted or replaced; what mitmproxy still has is recorded again")
            self.done()
            self.running()
        messages = flow.websocket.messages
        new = messages[-1:]
        if flow.id not in self._flows:
            # It began before we were there. mitmproxy still has what was said so far.
            self.websocket_start(flow)
            new = messages[:]
        seen = self._flows.get(flow.id)
        if seen is None:
            return
        for message in new:
            seen.take(message)
        if ctx.options.gwinspect_trim:
            # The last one stays: mitmproxy's own addons look at it after us.
            del messages[:-1]

    def websocket_end(self, flow: http.HTTPFlow) -> None:
        seen, ended = self._flows.pop(flow.id, None), flow.websocket
        if seen is not None:
            seen.check_last()
            by = {None: None, True: "client", False: "server"}[ended.closed_by_client]
            at, reason = ended.timestamp_end or time.time(), ended.close_reason or ""
            reason = reason if ctx.options.gwinspect_keep_secrets else masked_text(reason)
            limit = getattr(ctx.options, "tcp_timeout", 600)
            if ended.close_code == 1006 and at - seen.last_at >= limit:
                by, reason = "proxy", f"no traffic for {limit} s, so mitmproxy closed the connection"
            # mitmproxy on its own tells the other end of a broken connection 1000.
            marks = {"marks": ["told_1000"]} if ended.close_code == 1006 else {}
            seen.put("close", at, code=ended.close_code, reason=reason, by=by, **marks)

    def response(self, flow: http.HTTPFlow) -> None:
        if (
            self._file is not None
            and _LIMIT_PATH.fullmatch(flow.request.path)
            and _is_discord(flow.request.pretty_host)
        ):
            if (told := _start_limit(flow)) is not None:
                self._file.put({"kind": "start-limit", "at": _time(flow.response.timestamp_start), **told})
        elif flow.response.status_code != 101:
            self._refused(flow, f"HTTP {flow.response.status_code} {flow.response.reason}".rstrip())
        elif flow.websocket is None:
            self._refused(flow, "mitmproxy does not accept the answer as a WebSocket's; what follows passes unrecorded")

    def error(self, flow: http.HTTPFlow) -> None:
        # An answer that is cut off is one to mitmproxy first, and then an error.
        if flow.websocket is None and not (flow.response and flow.response.timestamp_end):
            self._refused(flow, flow.error.msg)

    def tls_failed_client(self, data: tls.TlsData) -> None:
        host, port = (data.context.server.address or ("", 443))[:2]
        host = data.conn.sni or host or ""
        url = f"wss://{host}/" if port == 443 else f"wss://{host}:{port}/"
        # A client that does not trust the proxy mostly fails at the REST API already.
        if self._file is not None and (f".{host}".endswith(".discord.com") or is_gateway(url)):
            seen, why = self._next(data.context.client, url), f" ({data.conn.error})" if data.conn.error else ""
            why = f"TLS failed, the client did not accept the proxy's certificate{why}"
            seen.put("open", plane="gateway", url=url, client=seen.address, status=None, refusal=why)

    def _refused(self, flow: http.HTTPFlow, why: str) -> None:
        upgrade = flow.request.headers.get("upgrade", "").lower() == "websocket"
        if self._file is not None and upgrade and _leads_to_gateway(flow):
            self._open(flow, flow.request.timestamp_start, refusal=why)

    def _open(self, flow: http.HTTPFlow, at: float, **more: Any) -> "_Flow":
        request, response = flow.request, flow.response
        named = request.pretty_url if is_gateway(request.pretty_url) else request.url
        seen = self._next(flow.client_conn, named)
        headers = {name: request.headers[name] for name in _REQUEST_HEADERS if name in request.headers}
        if response:
            found = (name for name in _RESPONSE_HEADERS if name in response.headers)
            headers |= {f"response-{name}": response.headers[name] for name in found}
        url, status = re.sub("^http", "ws", named), response.status_code if response else None
        if not ctx.options.gwinspect_keep_secrets:
            url = masked_url(url)
            headers = {name: masked_header(name, value) for name, value in headers.items()}
            more = {name: masked_text(value) if name == "refusal" else value for name, value in more.items()}
        seen.put("open", at, url=url, client=seen.address, status=status, headers=headers, **more)
        return seen

    def _next(self, client: Any, url: str) -> "_Flow":
        assert self._file is not None
        self._count += 1
        return _Flow(self._file, self._count, client.peername, url)

    def _see_ping(self, record: logging.LogRecord) -> bool:
        found = _PING.match(record.getMessage()) if "WebSocket p" in str(record.msg) else None
        for seen in filter(None, self._flows.values()):
            if found is not None and seen.client == getattr(record, "client", None):
                said = ast.literal_eval(found[3])
                data = _data(said if ctx.options.gwinspect_keep_secrets else masked_unknown(said), False)
                seen.put(found[1], direction=_DIRECTIONS[found[2] == "client"], **data)
        return True


class _Flow:
    """One followed WebSocket."""

    def __init__(self, file: "_File", number: int, client: Any, url: str) -> None:
        self._file = file
        self._number = number
        self._messages = 0
        self._last: tuple[Any, bytes] | None = None
        parts = urlsplit(url)
        self._is_voice = (parts.hostname or "").endswith(".discord.media")
        self._secrets = _REMOTE_AUTH if (parts.hostname or "").startswith("remote-auth") else ()
        self._claims = "compress=" in parts.query
        # Not known before the server's first binary message.
        self._streams: bool | None = None
        self.client = client
        host, port = (client or ("", 0))[:2]
        self.address = (f"[{host}]:{port}" if ":" in host else f"{host}:{port}") if client else None
        self.last_at = time.time()

    def put(self, kind: str, at: float | None = None, **fields: Any) -> None:
        self._file.put({"kind": kind, "connection": self._number, "at": _time(at), **fields})

    def take(self, message: Any) -> None:
        self.check_last()
        self._messages += 1
        self.last_at = message.timestamp
        content = message.content
        marks = [name for name in ("injected", "dropped") if getattr(message, name)]
        self._last = None if marks else (message, content)
        fields, changed = self._kept(message)
        marks += changed
        fields |= {"marks": marks} if marks else {}
        self.put("message", message.timestamp, direction=_DIRECTIONS[message.from_client], **fields)

    def check_last(self) -> None:
        """Note what addons after us, or a person, did to the message before. It has been forwarded by now."""
        message, content = self._last or (None, b"")
        self._last = None
        if message is not None and message.dropped:
            self.put("amend", message=self._messages, marks=["dropped"])
        elif message is not None and message.content != content:
            forwarded, _ = self._kept(message)
            if "withheld" in forwarded:
                forwarded = _data(b"*" * len(message.content), message.is_text)
            self.put("amend", message=self._messages, marks=["changed"], forwarded=forwarded)

    def _kept(self, message: Any) -> tuple[dict[str, Any], list[str]]:
        """Return what a record says of a message, and the marks for what was done to it."""
        content: bytes = message.content
        if not content or ctx.options.gwinspect_keep_secrets or self._is_streamed(message):
            return _data(content, message.is_text), []
        if self._is_voice and not message.is_text and content[:1] != b"{":
            # A binary message of the voice gateway: keys of DAVE, and no text.
            known = content[2:3] in (b"\x19", b"\x1b", b"\x1d", b"\x1e") or content[:1] in (b"\x1a", b"\x1c")
            kept = content if known else re.sub(rb"[\x20-\x7e]{12,}", lambda found: _mask(found[0]), content)
            return _data(kept, False), ["redacted"] * (kept != content)
        try:
            kept = masked(content, message.is_text, self._secrets)
        except Unreadable as why:
            said = {"reason": why.reason, "text": str(why), "offset": why.offset, "bytes": len(content)}
            return {"withheld": said}, ["redacted", "withheld"]
        if message.is_text or content[:1] != b"\x78" or kept != _inflated(content):
            return _data(kept, message.is_text), ["redacted"] * (kept != content)
        return _data(content, False), []

    def _is_streamed(self, message: Any) -> bool:
        """Say whether a message is part of the server's compressed stream, which an edit would break."""
        if message.from_client or message.is_text or message.injected or self._is_voice:
            return False
        if self._streams is None:
            head = message.content[:4]
            ends = head[:1] == b"\x78" and _ends(message.content)
            self._streams = not ends and (self._claims or head[:1] == b"\x78" or head == b"\x28\xb5\x2f\xfd")
        return self._streams


class _File:
    """The file, private and never behind a symbolic link. Raises OSError or ValueError where it cannot be opened.

    What cannot be written is said once and counted; where writing succeeds again, a record says what is missing.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        self._lost: dict[int | None, dict[str, Any]] = {}
        self._looked = time.monotonic()
        flags = ("O_APPEND", "O_CREAT", "O_RDWR", "O_NOFOLLOW", "O_CLOEXEC", "O_NONBLOCK", "O_BINARY")
        if path.is_symlink():
            raise ValueError(f"{path} is a symbolic link; name the file itself")
        self._fd = os.open(path, sum(getattr(os, name, 0) for name in flags), 0o600)
        try:
            self._prepare()
        except BaseException:
            self.close()
            raise
        tool = f"gwinspect addon, mitmproxy {version.VERSION}, Python {sys.version.split()[0]}"
        header = {"format": "gwinspect-frames", "version": 1, "tool": tool, "created_at": _time()}
        self.put(header | {"hosts": list(ctx.options.gwinspect_hosts)})

    def _prepare(self) -> None:
        """Make sure that the file is ours to append to, and note whether its last line is cut off."""
        if not stat.S_ISREG(os.fstat(self._fd).st_mode):
            raise ValueError(f"{self._path} is not a regular file; choose another name")
        try:
            if fcntl is not None:
                fcntl.flock(self._fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise ValueError(f"another mitmproxy records into {self._path}; choose another name") from None
        head = os.read(self._fd, 4096)
        if head and b'"gwinspect-frames"' not in head.split(b"\n")[0]:
            raise ValueError(f"{self._path} is not a gwinspect-frames file; not writing to it, choose another name")
        os.chmod(self._path, 0o600)
        os.lseek(self._fd, -1 if head else 0, os.SEEK_END)
        self._torn = os.read(self._fd, 1) not in (b"", b"\n")

    def put(self, record: dict[str, Any]) -> None:
        # In ASCII, so that no control character in it can harm a terminal.
        said = [*self._gaps(), record]
        lines = b"".join(json.dumps(each, separators=(",", ":")).encode() + b"\n" for each in said)
        lines = b"\n" + lines if self._torn else lines
        try:
            self._torn = os.write(self._fd, lines) < len(lines)
            failure = "no room for a whole record" if self._torn else None
        except OSError as error:
            failure = error.strerror
        if failure:
            if not self._lost:
                log.error(
                    "gwinspect: %s cannot be written (%s); traffic continues unrecorded until it can",
                    self._path,
                    failure,
                )
            self._lose(record)
        elif self._lost:
            count = sum(each["sent"] + each["received"] for each in self._lost.values())
            log.log(ALERT, "gwinspect: %s can be written again; %d records are missing", self._path, count)
            self._lost.clear()

    def _lose(self, record: dict[str, Any]) -> None:
        """Count a record that is not in the file: messages by connection, all others together."""
        number = record["connection"] if record["kind"] == "message" else None
        lost = self._lost.setdefault(number, {"since": _time(), "sent": 0, "received": 0})
        lost["until"] = _time()
        lost["sent" if record.get("direction") == "send" else "received"] += 1

    def _gaps(self) -> list[dict[str, Any]]:
        gaps = []
        for number, lost in self._lost.items():
            gap = {"kind": "gap", "at": _time(), **lost, "reason": "disk"}
            if number is None:
                count = lost["sent"] + lost["received"]
                gap = {"kind": "gap", "at": lost["since"], "until": lost["until"], "records": count}
            else:
                gap["connection"] = number
            gaps.append(gap)
        return gaps

    def is_gone(self) -> bool:
        """Say whether the file was deleted or replaced. Looks once a second."""
        if time.monotonic() - self._looked < 1:
            return False
        self._looked = time.monotonic()
        try:
            return not os.path.samestat(os.fstat(self._fd), os.lstat(self._path))
        except OSError:
            return True

    def close(self) -> None:
        os.close(self._fd)


def _leads_to_gateway(flow: http.HTTPFlow) -> bool:
    """Say whether a flow does, by the name that its client gave, which may be any, or by its address."""
    return is_gateway(flow.request.pretty_url) or is_gateway(flow.request.url)


def is_gateway(url: str) -> bool:
    """Say whether a WebSocket's URL is one of Discord's gateways, or at one of the user's own hosts."""
    try:
        parts = urlsplit(url)
        port = parts.port or (80 if parts.scheme in ("ws", "http") else 443)
        query = parse_qs("&".join(parts.query.split("&", 100)[:100]))
    except ValueError:
        return False
    host = (parts.hostname or "").removesuffix(".")
    if any(_matches(host, port, extra.strip()) for extra in ctx.options.gwinspect_hosts):
        return True
    if host in ("127.0.0.1", "::1", "localhost", "discordapp.io"):
        # The desktop client's local RPC server.
        return port in range(6463, 6473) and ("client_id" in query or query.get("v") == ["1"])
    if host.endswith(".discord.media"):
        return host.split(".")[0] not in ("latency", "stun", "localhost")
    name, _, domain = host.partition(".")
    named = name in ("gateway", "remote-auth-gateway") or name.startswith("gateway-")
    return host.endswith(".gateway.discord.gg") or (domain == "discord.gg" and named)


def _is_discord(host: str) -> bool:
    """Say whether a name is Discord's or one of the user's own, gateway or not."""
    host = host.lower().removesuffix(".")
    own = any(f".{host}".endswith(f".{name}") for name in ("discord.com", "discordapp.com"))
    return own or any(_matches(host, None, extra.strip()) for extra in ctx.options.gwinspect_hosts)


def _start_limit(flow: http.HTTPFlow) -> "dict[str, Any] | None":
    """Return what Discord told a bot of its session starts, and of the token that asked a digest; nothing else."""
    body = _body(flow.response.raw_content or b"", flow.response.headers.get("content-encoding", "").strip().lower())
    if flow.request.method != "GET" or flow.response.status_code != 200 or body is None:
        return None
    try:
        said = json.loads(body)
        limit = {name: said["session_start_limit"][name] for name in _LIMIT_KEYS}
        if not all(type(each) is int for each in (said["shards"], *limit.values())):
            return None
    except (ValueError, LookupError, TypeError, RecursionError):
        return None
    token = re.sub("(?i)^(bot|bearer) +", "", flow.request.headers.get("authorization", "").strip())
    digest = hashlib.sha256(token.encode("utf-8", "surrogatepass")).hexdigest()[:8] if len(token) >= 16 else None
    return {"token": digest, "shards": said["shards"], "session_start_limit": limit}


def _body(data: bytes, encoding: str) -> "bytes | None":
    """Return an answer without its compression; None where that cannot be undone within a bound by Python alone."""
    if encoding in ("", "identity"):
        return data if len(data) <= _MOST_BODY else None
    if encoding not in ("gzip", "deflate"):
        return None
    try:
        # Of gzip and zlib the header tells which it is.
        return zlib.decompressobj(zlib.MAX_WBITS | 32).decompress(data, _MOST_BODY)
    except zlib.error:
        return None


def _matches(host: str, port: "int | None", extra: str) -> bool:
    try:
        wanted = urlsplit("//" + extra.removeprefix("*."))
        if not wanted.hostname or (port is not None and wanted.port not in (None, port)):
            return False
    except ValueError:
        return False
    return host.endswith(f".{wanted.hostname}") if extra.startswith("*.") else host == wanted.hostname


class Unreadable(ValueError):
    """A message whose secrets cannot be found: `reason`, and where it stops being readable."""

    def __init__(self, reason: str, text: str, offset: int) -> None:
        super().__init__(text)
        self.reason, self.offset = reason, offset


def masked(data: bytes, is_text: bool, more: Sequence[str] = ()) -> bytes:
    """Return a message in the same length, with the values of secret keys and all that looks like a secret masked.

    `more` are keys next to the usual ones. What a client compressed comes back inflated. Raises Unreadable.
    """
    if not is_text and data[:1] == b"\x78":
        data = _inflated(data)
    keys = {*_SECRETS, *more}
    if not is_text and data[:1] == b"\x83":
        end = _end_of_term(data, 1)
        return _shapes(_masked_etf(data[:end], keys)) + b"*" * (len(data) - end)
    try:
        json.loads(data)
    except RecursionError:
        raise Unreadable("limit", "it is nested too deeply", 0) from None
    except UnicodeDecodeError as error:
        raise Unreadable("not-json", f"it is not UTF-8 (byte {error.start})", error.start) from None
    except json.JSONDecodeError as error:
        raise Unreadable("not-json", f"it is not JSON ({error.msg}, character {error.pos})", error.pos) from None
    return _masked_json(data, keys)


def masked_unknown(data: bytes) -> bytes:
    """Return bytes of no known form, as those of a ping; few of them are kept."""
    return data if len(data) < 12 else _mask(data)


def masked_text(text: str) -> str:
    """Return a text of few words with all that looks like a secret masked, or only looks random."""
    data = _shapes(_announced(text.encode("utf-8", "replace")))
    data = re.sub(rb"[\w+=.-]{24,}", lambda run: _mask(run[0]) if re.search(rb"\d", run[0]) else run[0], data)
    return data.decode("utf-8", "replace")


def masked_url(url: str) -> str:
    """Return an address without its login, and without what is in its query beyond how the gateway speaks."""
    scheme, colon, rest = url.partition("://")
    address, mark, query = rest.partition("#")[0].partition("?")
    host, *path = address.split("/")
    login = f"{_HIDDEN}@" if "@" in host else ""
    names = [part if re.fullmatch(r"[a-z._:-]{0,40}|[a-z0-9]{1,11}", part) else _HIDDEN for part in path]
    pairs = (pair.partition("=") for pair in query.split("&"))
    kept = [
        f"{name}{equals}{value if name in _HARMLESS and len(value) <= 20 else _HIDDEN if value else ''}"
        for name, equals, value in pairs
    ]
    return f"{scheme}{colon}{login}{'/'.join([host.rpartition('@')[2], *names])}{mark}{'&'.join(kept) if mark else ''}"


def masked_header(name: str, value: str) -> str:
    """Return what is kept of a header."""
    if name == "sec-websocket-protocol":
        names = (item.strip() for item in value.split(","))
        return ", ".join(
            item if re.fullmatch(r"[a-z][a-z.-]{0,23}(?:\.?v?\d{1,2})?", item) else _HIDDEN for item in names
        )
    return masked_url(value) if "://" in value and name == "origin" else masked_text(value)


def _masked_json(data: bytes, keys: set[str]) -> bytes:
    parts: list[bytes] = []
    done, secret_at, depth = 0, -1, 0
    for found in _JSON_TOKEN.finditer(data):
        written, at_secret = found[1], found.start() == secret_at
        if written is None:
            token = found[0]
            if token in b"[{":
                depth += depth > 0 or at_secret
            elif token in b"]}":
                depth -= depth > 0
            elif depth or (at_secret and len(token) > 6):
                parts += data[done : found.start()], b"0".rjust(len(token))
                done = found.end()
            continue
        if found[2] is not None:
            hidden = _string(written)
            secret_at = found.end() if _unescaped(written).lower() in keys else -1
        else:
            hidden = _mask(written, _unescaped(written)) if depth or at_secret else _string(written)
        parts += data[done : found.start(1)], hidden
        done = found.end(1)
    return b"".join([*parts, data[done:]])


def _string(written: bytes) -> bytes:
    """Return a JSON string without its quotes, with what looks like a secret masked, in the same length."""
    if len(written) < 16:
        return written
    text = _unescaped(written).encode("utf-8", "surrogatepass")
    hidden = _shapes(_announced(text))
    if hidden == text:
        return written
    again = json.dumps(hidden.decode("utf-8", "replace"), ensure_ascii=False)[1:-1].encode("utf-8", "replace")
    return again.ljust(len(written), b"*") if len(again) <= len(written) else b"*" * len(written)


def _masked_etf(data: bytes, keys: set[str]) -> bytes:
    hidden = bytearray(data)
    pattern = rb"(?:m\0\0\0|[dkv]\0|[sw])[\0-\xff](?i:%b)(?=[mknbFlt])" % b"|".join(
        map(re.escape, map(str.encode, keys))
    )
    for found in re.finditer(pattern, data):
        at, tag = found.end(), data[found.end() : found.end() + 1]
        end = _end_of_term(data, at)
        if tag in b"lt":
            raise Unreadable("withheld", "it contains a secret that cannot be masked on its own", at)
        start = at + {b"m": 5, b"k": 3, b"n": 3}.get(tag, 1)
        hidden[start:end] = _mask(data[start:end]) if tag in b"mk" else bytes(end - start)
    at = 0
    while piece := re.compile(rb"m\0[\0-\xff]{3}").search(hidden, at):
        at, end = piece.end(), piece.end() + int.from_bytes(piece[0][1:], "big")
        if at + 16 <= end <= len(hidden):
            hidden[at:end] = _announced(bytes(hidden[at:end]))
            at = end
    return bytes(hidden)


def _end_of_term(data: bytes, at: int) -> int:
    """Return where the ETF term at `at` ends. Raises Unreadable where there is none, or it is cut off."""
    # How many terms are still to come; for each tag, the bytes of its length, what it counts, and how many more come.
    waiting = 1
    while waiting:
        tag, waiting = data[at : at + 1], waiting - 1
        at += 1
        if tag in (b"m", b"k", b"d", b"v", b"s", b"w", b"n", b"o"):
            width = {b"m": 4, b"o": 4, b"s": 1, b"w": 1, b"n": 1}.get(tag, 2)
            at += width + int.from_bytes(data[at : at + width], "big") + (tag in b"no")
        elif tag in (b"a", b"b", b"F", b"c", b"j"):
            at += {b"a": 1, b"b": 4, b"F": 8, b"c": 31, b"j": 0}[tag]
        elif tag in (b"l", b"t", b"i"):
            count = int.from_bytes(data[at : at + 4], "big")
            waiting, at = waiting + count * (2 if tag == b"t" else 1) + (tag == b"l"), at + 4
        elif tag == b"h":
            waiting, at = waiting + int.from_bytes(data[at : at + 1], "big"), at + 1
        else:
            raise Unreadable(
                "bad-etf" if tag else "truncated", f"it is not a complete ETF term (byte {at - 1})", at - 1
            )
        if at > len(data):
            raise Unreadable("truncated", f"the term is cut off after {len(data)} bytes", len(data))
    return at


def _ends(data: bytes) -> bool:
    try:
        _inflated(data)
    except Unreadable:
        return False
    return True


def _inflated(data: bytes) -> bytes:
    inflate = zlib.decompressobj()
    try:
        plain = inflate.decompress(data, 16 * 1024 * 1024)
    except zlib.error as error:
        raise Unreadable("corrupt", f"a compressed payload that does not inflate: {error}", 0) from None
    if not inflate.eof:
        raise Unreadable("corrupt", "a compressed payload that is cut off", len(data))
    return plain


def _shapes(data: bytes) -> bytes:
    return _SHAPE.sub(lambda x: (x[1] or b"") + (_mask(x[2]) if x[2] else b"*" * len(x[3])), data)


def _announced(data: bytes) -> bytes:
    def hidden(found: "re.Match[bytes]") -> bytes:
        secret = found[3] if found[2] is not None else found[4]
        if _MASK.fullmatch(secret):
            return found[0]
        after = found[0][len(found[1]) + len(found[2] or b"") + len(secret) :]
        return found[1] + (found[2] or b"") + b"*" * len(secret) + after

    return _ANNOUNCED.sub(hidden, data)


def _mask(secret: bytes, text: "str | None" = None) -> bytes:
    """Return what stands for `secret`: a digest tells two long ones apart. gwinspect's own recorder writes the same."""
    text = secret.decode("utf-8", "replace") if text is None else text
    digest = hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest()[:8]
    head = f"masked-{digest}".encode() if len(text) >= 16 else b""
    return secret if _MASK.fullmatch(secret) else head.ljust(len(secret), b"*")[: len(secret)]


def _unescaped(written: bytes) -> str:
    try:
        return str(json.loads(b'"%b"' % written))
    except ValueError:
        return written.decode("utf-8", "replace")


def _data(data: bytes, is_text: bool) -> dict[str, Any]:
    """Return what a record says of bytes: text as text, all else in base64."""
    try:
        if is_text:
            return {"text": data.decode()}
    except UnicodeDecodeError:
        pass
    return {"bytes": base64.b64encode(data).decode(), **({"is_text": True} if is_text else {})}


def _time(seconds: float | None = None) -> str:
    whole, micros = divmod(round((time.time() if seconds is None else seconds) * 1_000_000), 1_000_000)
    return f"{time.strftime('%Y-%m-%dT%H:%M:%S', time.gmtime(whole))}.{micros:06d}Z"


def _find_gwinspect() -> None:
    """Make gwinspect importable. In a checkout it is next to this file, and nothing else is imported from there.

    Raises ImportError where there is none, or another package has its name.
    """
    here = Path(__file__).resolve().parent.parent
    ours = next((each for each in (here / "inspector", here) if (each / "proxy" / "recorder.py").is_file()), None)
    loaded = sys.modules.get("inspector")
    found = loaded.__spec__ if loaded is not None else importlib.util.find_spec("inspector")
    folders = [Path(folder) for folder in (found.submodule_search_locations or () if found else ())]
    if any((folder / "proxy" / "recorder.py").is_file() for folder in folders):
        return
    if found is not None and (loaded is not None or ours is None):
        raise ImportError(
            f"gwinspect is not installed in mitmproxy's Python; its inspector is {found.origin or folders}"
        )
    if ours is None:
        raise ImportError("gwinspect is not installed in mitmproxy's Python")
    entry, folder = ours / "__init__.py", [str(ours)]
    found = importlib.util.spec_from_file_location("inspector", entry, submodule_search_locations=folder)
    assert found is not None
    assert found.loader is not None
    sys.modules["inspector"] = module = importlib.util.module_from_spec(found)
    found.loader.exec_module(module)


def _why(error: Exception) -> str:
    """Return why gwinspect could not be loaded, and take back what was loaded of it."""
    for name in [name for name in sys.modules if name not in _LOADED and name.partition(".")[0] == "inspector"]:
        del sys.modules[name]
    if isinstance(error, ModuleNotFoundError) and error.name:
        return f"gwinspect cannot be used by mitmproxy's Python, which lacks {error.name}"
    if type(error) is ImportError and error.name is None:
        return str(error)
    return f"gwinspect cannot be loaded by mitmproxy's Python ({type(error).__name__}: {error})"


_LOADED = frozenset(sys.modules)
addons: list[Any]
try:
    _find_gwinspect()
    from inspector.proxy.addons import all_addons

    addons = all_addons()
except Exception as error:
    addons = [FrameRecorder(_why(error))]
