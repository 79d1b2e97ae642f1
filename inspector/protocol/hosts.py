"""Which WebSocket URLs are Discord's, and which plane they speak.

Names match exactly or on a dot boundary, in any case, so that a look-alike (``gateway.discord.gg.example.org``,
``evilgateway.discord.gg``) never does. A host the user named is believed; any other is told by the shape of its URL,
which is a guess that the first message of the server has to confirm.

Sources: https://docs.discord.com/developers/events/gateway, https://docs.discord.com/developers/topics/rpc and
https://docs.discord.com/developers/topics/voice-connections; resume hosts and remote auth as clients use them.
"""

import re
from collections.abc import Iterable
from dataclasses import dataclass
from urllib.parse import parse_qs, urlsplit

from inspector.model import Plane

RPC_PORTS = range(6463, 6473)
"""Ports that the desktop client tries for its local RPC server, in this order."""

# Proxies write the URL of an upgrade as that of the HTTP request it was.
_SCHEMES = {"ws": 80, "http": 80, "wss": 443, "https": 443}
_LOOPBACK = frozenset({"127.0.0.1", "::1", "localhost", "discordapp.io", "localhost.discord.media"})
# Names below discord.media that serve a list of regions and STUN.
_NOT_VOICE = frozenset({"latency.discord.media", "stun.discord.media", "localhost.discord.media"})
# Fields of a query that are looked at: a hostile URL has thousands.
_MOST_FIELDS = 100
# Gateway and voice versions have been one or two digits since the first.
_VERSION_DIGITS = 2


def plane_of(url: str, extra_hosts: Iterable[str] = ()) -> Plane | None:
    """Return the plane of a Discord gateway's URL, None for any other URL or text.

    `extra_hosts` are the user's own: ``host`` or ``host:port``, with ``*.`` in front for the names below it. What a URL
    there speaks is told by its shape; the main gateway is what remains.
    """
    parts = _split(url)
    if parts is None:
        return None
    host, port, query = parts
    if host in _LOOPBACK and port in RPC_PORTS and ("client_id" in query or query.get("v") == ["1"]):
        return Plane.RPC
    if host == "remote-auth-gateway.discord.gg":
        return Plane.REMOTE_AUTH
    if _is_main_gateway(host):
        return Plane.GATEWAY
    if host.endswith(".discord.media") and host not in _NOT_VOICE:
        return Plane.VOICE
    if any(_matches(host, port, extra) for extra in extra_hosts):
        return _shape(query) or Plane.GATEWAY
    return None


def shape_of(url: str) -> Plane | None:
    """Return what a self-hosted server's URL suggests, whatever its host: a guess, to be confirmed by its Hello.

    ``v`` and ``encoding`` suggest a main gateway; a ``v`` of 1 to 9 and nothing else a voice gateway.
    """
    parts = _split(url)
    return _shape(parts[2]) if parts else None


@dataclass(frozen=True, slots=True)
class Redirect:
    """Names, and ports of them, that a launch hook leads to the proxy."""

    pattern: str
    """A regular expression for a whole name in lower case, as Python and JavaScript read it alike."""
    ports: tuple[int, ...] = ()
    """Ports that count; none means all of them, as Discord's voice gateways use many."""

    def matches(self, name: str, port: int | None = None) -> bool:
        """Say whether a name is meant, at `port` where that is known."""
        named = re.search(self.pattern, name.lower().removesuffix(".")) is not None
        return named and (port is None or not self.ports or port in self.ports)


def redirects(extra_hosts: Iterable[str] = ()) -> list[Redirect]:
    """Return what a launch hook leads to the proxy: Discord's gateways, and the user's own hosts (see `plane_of`).

    A host of the user's own without a port means 80 and 443: what else a server offers, its database say, may be none
    of ours.
    """
    not_voice = "|".join(re.escape(name) for name in sorted(_NOT_VOICE))
    found = [
        Redirect(r"^(gateway|gateway-[^.]+|.+\.gateway|remote-auth-gateway)\.discord\.gg$"),
        Redirect(rf"^(?!({not_voice})$).+\.discord\.media$"),
    ]
    for extra in extra_hosts:
        wanted = extra.strip()
        name, port = _host_and_port(wanted)
        if name:
            start = r"\." if wanted.startswith("*.") else "^"
            found.append(Redirect(f"{start}{re.escape(name)}$", (port,) if port else (80, 443)))
    return found


def is_discord(host: str, extra_hosts: Iterable[str] = ()) -> bool:
    """Return whether a name, without a port, is one of Discord's or of the user's own, gateway or not."""
    host = host.lower().removesuffix(".")
    own = ("discord.com", "discord.gg", "discord.media", "discordapp.com")
    if any(host == name or host.endswith("." + name) for name in own):
        return True
    return any(_matches(host, None, extra) for extra in extra_hosts)


def host_of(url: str) -> str:
    """Return the host name in `url`, in lower case; empty where there is none."""
    parts = _split(url)
    return parts[0] if parts else ""


def address_of(url: str) -> str:
    """Return the host name in `url` and the port that it names, in lower case; empty where it cannot be read."""
    try:
        # Not what is before an @, which would be a password.
        return urlsplit(url).netloc.rpartition("@")[2].lower()
    except ValueError:
        return ""


def query_of(text: str) -> dict[str, list[str]]:
    """Return the first fields of a URL's query by their names: a URL with too many is still a gateway's."""
    return parse_qs("&".join(text.split("&", _MOST_FIELDS)[:_MOST_FIELDS]), keep_blank_values=True)


def _split(url: str) -> tuple[str, int, dict[str, list[str]]] | None:
    try:
        parts = urlsplit(url)
        default = _SCHEMES.get(parts.scheme)
        port = parts.port
        host = (parts.hostname or "").removesuffix(".")
        query = query_of(parts.query)
    except ValueError:
        return None
    return (host, default if port is None else port, query) if default and host else None


def _is_main_gateway(host: str) -> bool:
    if host == "gateway.discord.gg" or host.endswith(".gateway.discord.gg"):
        return True
    # Resume hosts name their region and zone: gateway-us-east1-b.discord.gg.
    label, _, domain = host.partition(".")
    return domain == "discord.gg" and label.startswith("gateway-")


def _shape(query: dict[str, list[str]]) -> Plane | None:
    version = query.get("v", [""])[-1]
    if not (version.isascii() and version.isdigit() and len(version) <= _VERSION_DIGITS):
        return None
    if query.get("encoding", [""])[-1].lower() in ("json", "etf"):
        return Plane.GATEWAY
    if len(query) == 1 and 1 <= int(version) <= 9:
        return Plane.VOICE
    return None


def _matches(host: str, port: int | None, extra: str) -> bool:
    wanted = extra.strip()
    name, wanted_port = _host_and_port(wanted)
    if not name or (port is not None and wanted_port not in (None, port)):
        return False
    return host.endswith("." + name) if wanted.startswith("*.") else host == name


def _host_and_port(wanted: str) -> tuple[str | None, int | None]:
    """Return the parts of the user's ``host``, ``host:port`` or ``*.host``; no name where it is none of them."""
    try:
        parts = urlsplit("//" + wanted.removeprefix("*."))
        return parts.hostname, parts.port
    except ValueError:
        return None, None
