"""The way in for clients on Linux that no hook and no variable reaches: proxychains sends all their TCP to the proxy.

It is between a program and the C library (LD_PRELOAD), so what makes its system calls on its own is not caught: Bun,
Go, static programs, and aiohttp with aiodns. It knows no names that it should leave alone: everything goes through the
proxy, which opens gateways only.
"""

import shutil
from collections.abc import Sequence

from inspector.errors import EnvironmentProblem
from inspector.proxy.launch.folder import Folder
from inspector.proxy.mitmdump import Settings

# proxy_dns: names are not resolved, they go to the proxy as they are. localnet: what the client has on its own machine,
# its database say, stays there.
_CONFIG = """\
strict_chain
quiet_mode
proxy_dns
remote_dns_subnet 224
tcp_read_time_out 15000
tcp_connect_time_out 8000
localnet 127.0.0.0/255.0.0.0
[ProxyList]
http {host} {port}
"""


def through_proxychains(command: Sequence[str], settings: Settings, folder: Folder) -> list[str]:
    """Return what runs `command` with all its connections led to a proxy with these settings.

    `folder` takes the configuration, and stays as long as the command. Raises EnvironmentProblem where proxychains is
    not installed, or could not speak to the proxy.
    """
    program = shutil.which("proxychains4") or shutil.which("proxychains")
    if program is None:
        raise EnvironmentProblem(
            "--through proxychains needs proxychains4, which is not installed; on Debian and Ubuntu: "
            "apt-get install proxychains4"
        )
    if not settings.is_http_proxy:
        raise EnvironmentProblem(
            f"--through proxychains needs a proxy in mode regular or upstream, not {', '.join(settings.modes)}; "
            "leave one of the two out"
        )
    folder.proxychains.write_text(config(settings), "ascii")
    return [program, "-q", "-f", str(folder.proxychains), *command]


def config(settings: Settings) -> str:
    """Return a configuration for proxychains that leads to a proxy with these settings, and loopback past it."""
    # It takes addresses only. Names of our own machine are the one that a proxy of ours may listen on.
    host = "127.0.0.1" if settings.host in ("localhost", "0.0.0.0", "") else settings.host
    return _CONFIG.format(host=host, port=settings.port)
