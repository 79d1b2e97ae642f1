"""Records Discord gateway traffic: ``mitmdump -s gwinspect.py --set gwinspect_capture=bot.gwcap``.

Where gwinspect can be imported, installed or in the checkout around this file, this is its recorder. In any other
mitmproxy (11.0.2 or newer; Homebrew, pipx, the standalone binary) it is the small one below. That needs the standard
library and mitmproxy alone, and appends what crosses the wire to ``bot.frames.jsonl``, which gwinspect reads wherever
it is installed. docs/frames.md describes the format.

Rules of the small one: traffic is never changed, hooks never raise, no token that a client sends gets into the file,
and all of it is in this file, so that it can be copied anywhere. Python 3.10 is enough, as for mitmproxy 11.0.2.
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

# Keys of values that are masked in what clients send, in JSON and ETF, and what Discord's tokens look like wherever
# they are. In ETF the length before a text may look like one of its letters, so it is matched too.
_SECRETS = ("token", "session_id", "access_token", "auth_token", "client_secret")
_TOKEN = re.compile(rb"(m\0[\0-\xff]{3}|k\0[\0-\xff])?(mfa\.[\w-]{20,}|[\w-]{18,40}\.[\w-]{6}\.[\w-]{27,})", re.ASCII)
_JSON_STRING = re.compile(rb'"([^"\\]*(?:\\.[^"\\]*)*)(?:"(\s*:\s*)?|\\?\Z)', re.DOTALL)
_ETF_SECRET = re.compile(
    rb"(?:m\0\0\0|[dk]\0|[sw])[\0-\xff](?i:%b)(?:m(\0[\0-\xff]{3})|k([\0-\xff]{2}))" % "|".join(_SECRETS).encode()
)
_COMPRESSED = (b"\x78", b"\x1f\x8b", b"\x28\xb5\x2f\xfd", b"\x83P")
_MASK = re.compile(rb"masked-[0-9a-f]{8}\*+|\*+")

_REQUEST_HEADERS = ("user-agent", "origin", "sec-websocket-extensions", "sec-websocket-protocol")
_RESPONSE_HEADERS = ("sec-websocket-extensions", "cf-ray", "server")
_DIRECTIONS = {True: "send", False: "receive"}
# Pings have no hook in mitmproxy; its log is the one place where they show.
_PINGS = logging.getLogger("mitmproxy.proxy.server")
_PING = re.compile(r"^Received WebSocket (ping|pong) from (client|server) \(payload: (b.*)\)$", re.DOTALL)
_OPTIONS: tuple[tuple[str, Any, Any, str], ...] = (
    ("capture", str, "", "File to record Discord gateways into: NAME.gwcap becomes NAME.frames.jsonl."),
    ("hosts", Sequence[str], [], "More hosts whose WebSockets are Discord gateways: HOST, HOST:PORT or *.HOST."),
    ("keep_secrets", bool, False, "Keep tokens that clients send instead of masking them."),
    ("media", bool, True, "Has no effect: UDP is recorded only where gwinspect is installed in mitmproxy's Python."),
    ("trim", bool, False, "Let go of messages in mitmproxy once they are recorded, so that memory stays flat."),
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
            limit = getattr(ctx.options, "tcp_timeout", 600)
            if ended.close_code == 1006 and at - seen.last_at >= limit:
                by, reason = "proxy", f"nothing was said for {limit} s, so mitmproxy closed the connection"
            # mitmproxy by itself tells the other end of a connection that broke off 1000.
            marks = {"marks": ["told_1000"]} if ended.close_code == 1006 else {}
            seen.put("close", at, code=ended.close_code, reason=reason, by=by, **marks)

    def response(self, flow: http.HTTPFlow) -> None:
        if flow.response.status_code != 101:
            self._refused(flow, f"HTTP {flow.response.status_code} {flow.response.reason}".rstrip())
        elif flow.websocket is None:
            self._refused(flow, "mitmproxy does not take the answer for a WebSocket's; what follows passes unrecorded")

    def error(self, flow: http.HTTPFlow) -> None:
        # An answer that breaks off is one to mitmproxy first, and then an error.
        if flow.websocket is None and not (flow.response and flow.response.timestamp_end):
            self._refused(flow, flow.error.msg)

    def tls_failed_client(self, data: tls.TlsData) -> None:
        host, port = (data.context.server.address or ("", 443))[:2]
        host = data.conn.sni or host or ""
        url = f"wss://{host}/" if port == 443 else f"wss://{host}:{port}/"
        # A client that does not trust the proxy mostly fails at the REST API already.
        if self._file is not None and (f".{host}".endswith(".discord.com") or is_gateway(url)):
            seen, why = self._next(data.context.client), f" ({data.conn.error})" if data.conn.error else ""
            why = f"TLS failed, the client did not accept the proxy's certificate{why}"
            seen.put("open", plane="gateway", url=url, client=seen.address, status=None, refusal=why)

    def _refused(self, flow: http.HTTPFlow, why: str) -> None:
        upgrade = flow.request.headers.get("upgrade", "").lower() == "websocket"
        if self._file is not None and upgrade and _leads_to_gateway(flow):
            self._open(flow, flow.request.timestamp_start, refusal=why)

    def _open(self, flow: http.HTTPFlow, at: float, **more: Any) -> "_Flow":
        seen, request, response = self._next(flow.client_conn), flow.request, flow.response
        headers = {name: request.headers[name] for name in _REQUEST_HEADERS if name in request.headers}
        if response:
            found = (name for name in _RESPONSE_HEADERS if name in response.headers)
            headers |= {f"response-{name}": response.headers[name] for name in found}
        named = request.pretty_url if is_gateway(request.pretty_url) else request.url
        url, status = re.sub("^http", "ws", named), response.status_code if response else None
        seen.put("open", at, url=url, client=seen.address, status=status, headers=headers, **more)
        return seen

    def _next(self, client: Any) -> "_Flow":
        assert self._file is not None
        self._count += 1
        return _Flow(self._file, self._count, client.peername)

    def _see_ping(self, record: logging.LogRecord) -> bool:
        found = _PING.match(record.getMessage()) if "WebSocket p" in str(record.msg) else None
        for seen in filter(None, self._flows.values()):
            if found is not None and seen.client == getattr(record, "client", None):
                data = _data(ast.literal_eval(found[3]), False)
                seen.put(found[1], direction=_DIRECTIONS[found[2] == "client"], **data)
        return True


class _Flow:
    """One followed WebSocket."""

    def __init__(self, file: "_File", number: int, client: Any) -> None:
        self._file = file
        self._number = number
        self._messages = 0
        self._last: tuple[Any, bytes] | None = None
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
        content, kept = message.content, self._kept(message)
        marks = [name for name in ("injected", "dropped") if getattr(message, name)]
        self._last = None if marks else (message, content)
        marks += ["redacted"] * (kept != content)
        fields = _data(kept, message.is_text) | ({"marks": marks} if marks else {})
        self.put("message", message.timestamp, direction=_DIRECTIONS[message.from_client], **fields)

    def check_last(self) -> None:
        """Note what addons after us, or a person, did to the message before. It has been forwarded by now."""
        message, content = self._last or (None, b"")
        self._last = None
        if message is not None and message.dropped:
            self.put("amend", message=self._messages, marks=["dropped"])
        elif message is not None and message.content != content:
            forwarded = _data(self._kept(message), message.is_text)
            self.put("amend", message=self._messages, marks=["changed"], forwarded=forwarded)

    def _kept(self, message: Any) -> bytes:
        content: bytes = message.content
        keep = not message.from_client or ctx.options.gwinspect_keep_secrets
        return content if keep else masked(content, message.is_text)


class _File:
    """The file, private and never behind a symbolic link. Raises OSError or ValueError where it cannot be opened.

    What cannot be written is said once and counted; where writing succeeds again, a record says what is missing.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        self._lost, self._lost_at = 0, ""
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
        """Make sure that the file is ours to append to, and note whether its last line broke off."""
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
        records = [record]
        if self._lost:
            records.insert(0, {"kind": "gap", "at": self._lost_at, "until": _time(), "records": self._lost})
        # In ASCII, so that no control character in it can harm a terminal.
        lines = b"".join(json.dumps(each, separators=(",", ":")).encode() + b"\n" for each in records)
        lines = b"\n" + lines if self._torn else lines
        try:
            self._torn = os.write(self._fd, lines) < len(lines)
            failure = "no room for a whole record" if self._torn else None
        except OSError as error:
            failure = error.strerror
        if failure and not self._lost:
            self._lost_at = _time()
            log.error(
                "gwinspect: %s cannot be written (%s); traffic goes on unrecorded until it can", self._path, failure
            )
        elif self._lost and not failure:
            log.log(ALERT, "gwinspect: %s can be written again; %d records are missing", self._path, self._lost)
        self._lost = self._lost + 1 if failure else 0

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


def _matches(host: str, port: int, extra: str) -> bool:
    try:
        wanted = urlsplit("//" + extra.removeprefix("*."))
        if not wanted.hostname or wanted.port not in (None, port):
            return False
    except ValueError:
        return False
    return host.endswith(f".{wanted.hostname}") if extra.startswith("*.") else host == wanted.hostname


def masked(data: bytes, is_text: bool) -> bytes:
    """Return what a client sent, in the same length, with the values of secret keys and all tokens masked."""
    if not is_text and data.startswith(_COMPRESSED):
        # It cannot be looked into without help, and no client is known that compresses.
        return data[:4].ljust(len(data), b"*")
    parts: list[bytes] = []
    done, secret_at = 0, -1
    for found in _JSON_STRING.finditer(data) if is_text or data[:1] == b"{" else ():
        if found[2] is not None:
            secret_at = found.end() if _unescaped(found[1]).lower() in _SECRETS else -1
        elif found.start() == secret_at:
            parts += data[done : found.start(1)], _mask(found[1], _unescaped(found[1]))
            done = found.end(1)
    for found in _ETF_SECRET.finditer(data) if data[:1] == b"\x83" else ():
        if found.end() >= done:
            end = found.end() + int.from_bytes(found[1] or found[2], "big")
            parts += data[done : found.end()], _mask(data[found.end() : end])
            done = min(end, len(data))
    data = b"".join([*parts, data[done:]])
    return _TOKEN.sub(lambda found: (found[1] or b"") + _mask(found[2]), data)


def _mask(secret: bytes, text: str | None = None) -> bytes:
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
    """Make gwinspect importable. In a checkout it is beside this file, and nothing else is imported from there.

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
