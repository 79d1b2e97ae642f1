"""Gateway messages in mitmproxy's own windows: `lookup` finds them, an adapter for each of its APIs shows them.

This module chooses the adapter. mitmproxy 12 has `contentviews.Contentview`, mitmproxy 11 `contentviews.View`.
"""

from collections.abc import Callable

from mitmproxy import contentviews

from inspector.proxy.contentviews.lookup import Transcripts


def register(transcripts: Transcripts) -> Callable[[], None]:
    """Offer the view to mitmproxy, and return what withdraws it."""
    if hasattr(contentviews, "Contentview"):
        from inspector.proxy.contentviews.modern import GatewayContentview

        contentviews.add(GatewayContentview(transcripts))
        # mitmproxy 12 cannot forget a view. One that knows no flow claims none, and the next to be added replaces it.
        return transcripts.clear
    from inspector.proxy.contentviews.legacy import GatewayView

    def remove() -> None:
        if (view := contentviews.get(GatewayView.name)) is not None:
            contentviews.remove(view)

    # mitmproxy 11 refuses a second view of the same name, which the first may have left behind.
    remove()
    contentviews.add(GatewayView(transcripts))
    return remove
