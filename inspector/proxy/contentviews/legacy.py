"""The view for mitmproxy 11: it is given the message as a keyword, and yields lines of styled pieces."""

from collections.abc import Iterator
from typing import Any

from mitmproxy.contentviews import View

from inspector.proxy.contentviews.lookup import Page, Transcripts

# mitmproxy's names for styles. Its own JSON view uses the same for values.
_STYLES = {"row": "header", "note": "highlight"}
_JSON_STYLES = {
    "key": "Token_Name_Tag",
    "string": "Token_Literal_String",
    "number": "Token_Literal_Number",
    "boolean": "Token_Keyword_Constant",
    "null": "Token_Keyword_Constant",
}


class GatewayView(View):  # type: ignore[misc]
    """A `mitmproxy.contentviews.View`."""

    name = "gwinspect"

    def __init__(self, transcripts: Transcripts) -> None:
        self._transcripts = transcripts

    def __call__(
        self, data: bytes, *, flow: Any = None, websocket_message: Any = None, **metadata: Any
    ) -> tuple[str, Iterator[list[tuple[str, str]]]]:
        """Return a gateway's message in words. Raises ValueError for all else, for which mitmproxy shows it raw."""
        return "Discord gateway", _lines(self._transcripts.page(flow, websocket_message))

    def render_priority(
        self, data: bytes, *, flow: Any = None, websocket_message: Any = None, **metadata: Any
    ) -> float:
        """Return more than any view of mitmproxy's for a gateway's message, and a refusal for all else."""
        return self._transcripts.priority(flow, websocket_message)


def _lines(page: Page) -> Iterator[list[tuple[str, str]]]:
    from inspector.report.pretty import coloured

    for sort, text in page:
        if sort == "json":
            yield [(_JSON_STYLES.get(part, "text"), piece) for piece, part in coloured(text)]
        else:
            yield [(_STYLES[sort], text)]
