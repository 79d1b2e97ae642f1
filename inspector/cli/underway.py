"""A recording that is under way, as a screen sees it: the proxy, what runs through it, what they say.

It only looks. Anyone who started the processes, or found them running, ends them.
"""

import shlex
from collections import deque
from collections.abc import Sequence
from pathlib import Path

from inspector.proxy.launch.runtimes import can_capture_locally
from inspector.proxy.launch.watch import Lookout
from inspector.proxy.mitmdump import Settings
from inspector.proxy.process import Process, exit_code
from inspector.tui.live_proxy import Advice, ProxyState

# Lines of a log that are kept.
_LINES = 200
# Bytes of a log that are read at once; where more was said meanwhile, the end counts.
_READ = 64 * 1024


class Log:
    """The last lines of files that still grow."""

    def __init__(self, *paths: Path) -> None:
        self._read = dict.fromkeys(paths, 0)
        self._rest = dict.fromkeys(paths, b"")
        self._lines: deque[str] = deque(maxlen=_LINES)
        self._news: deque[str] = deque(maxlen=_LINES)

    def lines(self) -> tuple[str, ...]:
        """Return the last lines, one that has not ended yet among them. They may hold anything."""
        self._look()
        begun = (rest.decode("utf-8", "replace") for rest in self._rest.values() if rest.strip())
        return (*self._lines, *begun)

    def news(self) -> list[str]:
        """Return the lines that were written since the last call, the last of them if there are many."""
        self._look()
        news = list(self._news)
        self._news.clear()
        return news

    def _look(self) -> None:
        for path, done in self._read.items():
            try:
                with path.open("rb") as file:
                    size = file.seek(0, 2)
                    if size <= done:
                        continue
                    file.seek(max(done, size - _READ))
                    *whole, self._rest[path] = (self._rest[path] + file.read(_READ)).split(b"\n")
                    self._read[path] = file.tell()
            except FileNotFoundError:
                continue
            self._rest[path] = self._rest[path][-_READ:]
            lines = [line.decode("utf-8", "replace") for line in whole if line.strip()]
            self._lines.extend(lines)
            self._news.extend(lines)


class Underway:
    """A recording that continues; a `inspector.tui.live_proxy.LiveProxy`."""

    def __init__(
        self,
        address: str,
        ca: Path | None,
        proxy: Process,
        *,
        client: Process | None = None,
        command: str | None = None,
        advice: Sequence[Advice] = (),
        watch: Lookout | None = None,
        log: Log,
        name: str = "proxy",
    ) -> None:
        self.name = name
        self.address = address
        self.ca = ca
        self.command = command
        self.proxy = proxy
        self.client = client
        self.log = log
        self.watch = watch
        self._advice = advice

    def advice(self) -> list[Advice]:
        """Return how to point clients at the proxy."""
        return list(self._advice)

    def state(self) -> ProxyState:
        """Return how the processes are doing. Exit codes are as a shell has them, -1 where no one was told."""
        proxy = self.proxy.poll()
        client = self.client.poll() if self.client is not None else None
        unseen = self.watch.unseen if self.watch is not None else None
        return ProxyState(
            proxy=None if proxy is None else exit_code(proxy),
            client=None if client is None else exit_code(client),
            client_running=self.client is not None and client is None,
            log=self.log.lines(),
            unseen=tuple(unseen.lines()) if unseen is not None else (),
        )


def advice_for(settings: Settings) -> list[Advice]:
    """Return how clients are brought to a proxy with these settings, the simplest way first."""
    address = settings.address
    found = []
    if settings.is_http_proxy:
        url = f"http://{address}"
        found += [
            Advice("any command", f"gwinspect run --capture {shlex.quote(str(settings.capture))} -- python bot.py"),
            Advice("discord.py", f'elsewhere: Client(proxy="{url}")'),
            Advice("hikari", f'elsewhere: GatewayBot(proxy_settings=ProxySettings(url="{url}"))'),
            Advice("a browser", f"HTTP and HTTPS proxy {address}; then visit http://mitm.it once"),
        ]
        if can_capture_locally() is None:
            found.append(Advice("Discord's app", "gwinspect live --mode local:Discord"))
    for mode in settings.modes:
        # As mitmproxy reads it: behind an @ is where this mode listens, HOST:PORT or PORT.
        spec, at, own = mode.rpartition("@")
        kind, _, what = (spec if at else mode).partition(":")
        address = settings.address
        if at:
            address = own if ":" in own else f"{address.rpartition(':')[0]}:{own}"
        match kind:
            case "local":
                found.append(
                    Advice(what or "any program", "start it again; connections that are open already are not seen")
                )
            case "reverse":
                stays = settings.rewrites and not what.startswith(("udp:", "dtls:"))
                resumes = "; a session that resumes stays behind the proxy" if stays else ""
                found.append(Advice("any client", f"connect to {address} in place of {what}{resumes}"))
            case "socks5":
                found.append(Advice("any client", f"SOCKS proxy socks5://{address}"))
            case "wireguard":
                found.append(Advice("a device", "WireGuard, with the configuration that the proxy prints below"))
    return found
