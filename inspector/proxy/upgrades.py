"""Upgrades that the server accepts and mitmproxy makes nothing of: it reads what follows as something else, or fails.

mitmproxy does without the checks that RFC 6455 (section 4) asks of both ends, so what it takes is up to its own code.
"""

import wsproto.utilities
from mitmproxy import http
from wsproto.extensions import PerMessageDeflate

# Characters of a header that a sentence quotes.
_QUOTED = 100


def why_no_websocket(flow: http.HTTPFlow) -> str:
    """Return why an upgrade that was answered with 101 is not a WebSocket to mitmproxy."""
    assert flow.response is not None
    upgrade = flow.response.headers.get("upgrade", "")
    version = flow.request.headers.get("sec-websocket-version", "")
    found = f"Upgrade: {upgrade[:_QUOTED]}, Sec-WebSocket-Version: {version[:_QUOTED]}"
    return f"mitmproxy does not accept the answer as a WebSocket's ({found}); what follows passes unrecorded"


def why_unreadable(flow: http.HTTPFlow) -> str | None:
    """Return why mitmproxy fails over the extensions of an upgrade that was accepted; None where it does not."""
    assert flow.response is not None
    header = flow.response.headers.get("sec-websocket-extensions", "")
    for extension in wsproto.utilities.split_comma_header(header.encode("ascii", "replace")) if header else ():
        if extension.split(";", 1)[0].strip() == PerMessageDeflate.name:
            try:
                PerMessageDeflate().finalize(extension)
            except (ValueError, IndexError):
                return f"the proxy ended it, because mitmproxy cannot read the server's extension {extension[:_QUOTED]}"
    return None
