"""The view for mitmproxy 12 and later: it is given the message in its metadata, and returns one text."""

from typing import Any

from inspector.proxy.contentviews.lookup import Transcripts


class GatewayContentview:
    """A `mitmproxy.contentviews.Contentview`, which is a protocol, so mitmproxy need not be asked for it."""

    name = "gwinspect"
    # mitmproxy's "yaml" does colour JSON, but nothing after the line of a row. This one looks at each word on its own.
    syntax_highlight = "javascript"

    def __init__(self, transcripts: Transcripts) -> None:
        self._transcripts = transcripts

    def prettify(self, data: bytes, metadata: Any) -> str:
        """Return a gateway's message in words. Raises ValueError for all else, for which mitmproxy shows it raw."""
        return "\n".join(text for _, text in self._transcripts.page(metadata.flow, metadata.websocket_message))

    def render_priority(self, data: bytes, metadata: Any) -> float:
        """Return more than any view of mitmproxy's for a gateway's message, and a refusal for all else."""
        return self._transcripts.priority(metadata.flow, metadata.websocket_message)

    def __lt__(self, other: Any) -> bool:
        return self.name < str(other.name)
