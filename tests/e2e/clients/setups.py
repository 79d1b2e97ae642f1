"""Which clients are tried, each as its users run it: unmodified, in an environment of its own.

Versions are pinned, so that the table in ``docs/clients.md`` says what it was made with. A new one is a new line here.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Literal

Kind = Literal["python", "node", "bun", "deno", "go", "java"]
Way = Literal["hook", "environment", "proxychains", "none"]


@dataclass(frozen=True, slots=True)
class Setup:
    """One client: what it needs, how it is run, and how it is expected to get in."""

    client: str
    """As the table calls it."""
    version: str
    """Of the library; empty where the runtime has it."""
    kind: Kind
    bot: str
    """Its program: a file of `bots/`, a folder of it for Go."""
    packages: Sequence[str] = ()
    """What is installed for it, as pip or npm take it; for Go and Java, whose own
    registries cannot be reached everywhere, Debian's: packages for Go, files of ``/usr/share/java``."""
    way: Way = "hook"
    name: str = ""
    """More about it, where `client` alone could mean two."""
    arguments: Sequence[str] = ()
    """Of the program, after the token."""
    flags: Sequence[str] = ()
    """Of the runtime, before the program."""
    runtime: str = ""
    """Which Pythons it can be installed on, ``<=3.11`` or ``>=3.12``, ours if it can; for others a version from npm."""
    advice: str = ""
    """What gets it in, where a launch alone does not."""

    @property
    def id(self) -> str:
        """What it is called on the command line and in the names of tests."""
        runtime = f"{self.kind}{self.runtime}" if self.kind != "python" and self.runtime else ""
        parts = (self.client, self.version, self.name, runtime)
        return "-".join(part for part in parts if part).replace("/", "-").replace(" ", "-")


def _python(client: str, version: str, bot: str, *more: str, package: str = "", **rest: Any) -> Setup:
    return Setup(client, version, "python", bot, (f"{package or client}=={version}", *more), **rest)


def _aiohttp(version: str, runtime: str, *more: str, **rest: Any) -> Setup:
    return _python("aiohttp", version, "aiohttp_bot.py", *more, runtime=runtime, **rest)


def _websockets(version: str, *more: str, sync: bool = False, **rest: Any) -> Setup:
    bot = "websockets_sync_bot.py" if sync else "websockets_bot.py"
    return _python("websockets", version, bot, *more, **rest)


_AIODNS = {"name": "aiodns", "arguments": ("aiodns",)}
_UVLOOP = {"name": "uvloop", "arguments": ("uvloop",)}
_PAST_HOOKS = "`--through proxychains`, `--mode local`"

PYTHON = [
    _python("discord.py", "2.7.1", "discord_bot.py"),
    _python("discord.py", "2.3.2", "discord_bot.py", runtime="<=3.12"),
    _python("nextcord", "3.2.0", "nextcord_bot.py", runtime=">=3.12"),
    _python("disnake", "2.12.0", "disnake_bot.py"),
    _python("py-cord", "2.8.1", "discord_bot.py"),
    _python("hikari", "2.7.0", "hikari_bot.py"),
    _python("interactions.py", "5.16.0", "interactions_bot.py", package="discord-py-interactions"),
    _aiohttp("3.14.5", ""),
    _aiohttp("3.14.5", "", name="trust_env", arguments=("trust-env",), way="environment"),
    _aiohttp("3.11.18", "<=3.13"),
    _aiohttp("3.11.18", "<=3.13", "aiodns==3.5.0", "pycares==4.9.0", **_AIODNS),
    _aiohttp("3.11.18", "<=3.13", name="connector of its own", arguments=("connector",)),
    _aiohttp("3.11.18", "<=3.13", "uvloop==0.21.0", **_UVLOOP),
    _aiohttp("3.9.5", "<=3.12"),
    _aiohttp("3.9.5", "<=3.12", "aiodns==3.2.0", "pycares==4.4.0", **_AIODNS),
    _aiohttp("3.8.6", "<=3.11"),
    _aiohttp("3.8.6", "<=3.11", "uvloop==0.19.0", **_UVLOOP),
    _websockets("17.4", way="environment"),
    _websockets("15.0.1", way="environment"),
    _websockets("15.0.1", name="proxy=None", arguments=("no-proxy",)),
    _websockets("15.0.1", "uvloop==0.21.0", runtime="<=3.13", way="environment", **_UVLOOP),
    _websockets("15.0.1", sync=True, name="sync", way="environment"),
    _websockets("15.0.1", sync=True, name="sync, proxy=None", arguments=("no-proxy",)),
    _websockets("13.1"),
    _websockets("13.1", "uvloop==0.21.0", runtime="<=3.13", **_UVLOOP),
    _websockets("13.1", sync=True, name="sync"),
    _websockets("10.4", runtime="<=3.11"),
    _websockets("10.4", "uvloop==0.19.0", runtime="<=3.11", **_UVLOOP),
    _python("websocket-client", "1.9.2", "websocket_client_bot.py", way="environment"),
    _python("websocket-client", "1.9.2", "websocket_client_bot.py", name="NO_PROXY", arguments=("no-proxy",)),
    _python(
        "websocket-client",
        "1.9.2",
        "websocket_client_bot.py",
        "gevent==25.9.1",
        name="gevent, NO_PROXY",
        arguments=("gevent", "no-proxy"),
    ),
    _python("httpx-ws", "0.9.0", "httpx_ws_bot.py", way="environment"),
    _python("httpx-ws", "0.9.0", "httpx_ws_bot.py", name="trust_env=False", arguments=("no-proxy",)),
    _python(
        "httpx-ws",
        "0.9.0",
        "httpx_ws_bot.py",
        "trio==0.31.0",
        name="trio, trust_env=False",
        arguments=("trio", "no-proxy"),
    ),
    _python("httpx-ws", "0.9.0", "httpx_ws_sync_bot.py", name="sync", way="environment"),
    _python("httpx-ws", "0.9.0", "httpx_ws_sync_bot.py", name="sync, trust_env=False", arguments=("no-proxy",)),
    _python("trio-websocket", "0.12.2", "trio_websocket_bot.py"),
    _python("tornado", "6.5.2", "tornado_bot.py"),
    _python("picows", "2.3.1", "picows_bot.py"),
    _python("curl-cffi", "0.17.0", "curl_cffi_bot.py", way="environment"),
    _python("discord.py", "2.7.1", "discord_bot.py", name="python -I", flags=("-I",), way="none", advice=_PAST_HOOKS),
    _python("discord.py", "2.7.1", "discord_bot.py", name="python -I, proxychains", flags=("-I",), way="proxychains"),
]

# Debian's Node 20, and others from npm.
_NODES = ("20.20.2", "22.20.0", "24.21.0", "26.10.0")


def _node(client: str, version: str, bot: str, *more: str, **rest: Any) -> Setup:
    packages = (f"{client}@{version}", *more) if version else more
    return Setup(client, version, "node", bot, packages, **{"runtime": _NODES[1], **rest})


NODE = [
    *(_node("discord.js", "14.28.1", "discordjs_bot.cjs", runtime=node) for node in _NODES),
    _node("discord.js", "14.28.1", "discordjs_manager_bot.cjs", name="shards in processes", arguments=("process",)),
    _node("discord.js", "14.28.1", "discordjs_manager_bot.cjs", name="shards in threads", arguments=("worker",)),
    *(_node("@discordjs/ws", "2.0.4", "discordjs_ws_bot.mjs", "@discordjs/rest", runtime=node) for node in _NODES[1:]),
    *(_node("eris", "0.18.0", "eris_bot.cjs", runtime=node) for node in _NODES[:2]),
    *(_node("oceanic.js", "1.15.0", "oceanic_bot.cjs", runtime=node) for node in _NODES[:2]),
    *(_node("ws", "8.23.0", "ws_bot.cjs", runtime=node) for node in _NODES),
    _node("ws", "8.23.0", "ws_bot.mjs", name="ES module"),
    *(_node("WebSocket", "", "websocket_bot.mjs", name="Node's own", runtime=node) for node in _NODES[1:]),
    _node("undici", "7.30.2", "undici_bot.mjs"),
]


def _both(kind: Kind, runtime: str, own: Way) -> list[Setup]:
    """Return the setups for Bun or Deno, whose own WebSocket, which discord.js takes there, gets in by `own`."""
    rows: list[tuple[str, str, str, str, Way]] = [
        ("discord.js", "14.28.1", "discordjs_bot.cjs", "", own),
        ("eris", "0.18.0", "eris_bot.cjs", "", "hook"),
        ("oceanic.js", "1.15.0", "oceanic_bot.cjs", "", "hook"),
        ("ws", "8.23.0", "ws_bot.cjs", "", "hook"),
        ("ws", "8.23.0", "ws_bot.mjs", "ES module", "hook"),
        ("WebSocket", "", "websocket_bot.mjs", "its own", own),
    ]
    return [
        Setup(client, version, kind, bot, (f"{client}@{version}",) if version else (), way, name, runtime=runtime)
        for client, version, bot, name, way in rows
    ]


BUN = _both("bun", "1.4.5", "hook")
DENO = _both("deno", "2.9.6", "environment")
GO = [
    Setup("gorilla/websocket", "1.5.0", "go", "gorilla", ("golang-github-gorilla-websocket-dev",), "environment"),
    Setup(
        "gorilla/websocket",
        "1.5.0",
        "go",
        "gorilla",
        ("golang-github-gorilla-websocket-dev",),
        "none",
        name="Dialer without Proxy",
        arguments=("bare",),
        advice="`--mode local`",
    ),
]
JAVA = [
    Setup("java.net.http", "", "java", "JavaBot.java", way="environment"),
    Setup("OkHttp", "3.13.1", "java", "OkHttpBot.java", ("okhttp", "okio"), "environment"),
    Setup("SSLSocket", "", "java", "JavaSocketBot.java", way="none", advice=_PAST_HOOKS),
    Setup("SSLSocket", "", "java", "JavaSocketBot.java", way="proxychains", name="proxychains"),
]
SETUPS = [*PYTHON, *NODE, *BUN, *DENO, *GO, *JAVA]

# Those that run in `make test`: nothing is installed for them but ws, from npm.
SMALL = [
    Setup("discord.py", "", "python", "discord_bot.py"),
    Setup("hikari", "", "python", "hikari_bot.py"),
    Setup("aiohttp", "", "python", "aiohttp_bot.py"),
    Setup("aiohttp", "", "python", "aiohttp_bot.py", way="environment", name="trust_env", arguments=("trust-env",)),
    Setup("ws", "8.23.0", "node", "ws_bot.cjs", ("ws@8.23.0",)),
]
