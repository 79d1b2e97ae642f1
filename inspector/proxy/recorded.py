"""Which of mitmproxy's flows is which connection of the capture, and the way back from the scribe's thread to the flow.

What the scribe finds out about a close concerns the flow, and flows belong to mitmproxy's event loop. So it goes there,
and from there to every addon, as a hook of its own.
"""

import asyncio
from contextlib import suppress
from dataclasses import dataclass
from weakref import WeakKeyDictionary

from mitmproxy import ctx, hooks, http

from inspector.model import Event
from inspector.proxy.intake import Stream


@dataclass
class GwinspectClosedHook(hooks.Hook):  # type: ignore[misc]
    """The end of a gateway connection was recorded, and there is a verdict on it. Called some 50 ms after it."""

    flow: http.HTTPFlow
    close: Event


class RecordedFlows:
    """The flows that are or were recorded, for as long as mitmproxy has them."""

    def __init__(self) -> None:
        self._streams: WeakKeyDictionary[http.HTTPFlow, Stream] = WeakKeyDictionary()
        self._loop: asyncio.AbstractEventLoop | None = None

    def add(self, flow: http.HTTPFlow, stream: Stream) -> None:
        """Note that `flow` is recorded as `stream`. To be called in mitmproxy's loop."""
        self._streams[flow] = stream
        with suppress(RuntimeError):
            self._loop = asyncio.get_running_loop()

    def number(self, flow: http.HTTPFlow) -> int | None:
        """Return the connection's number in the capture; None if it has none, or none yet."""
        stream = self._streams.get(flow)
        return None if stream is None else stream.connection or None

    def close(self, close: Event) -> None:
        """Have all addons told of `close`. May be called in any thread."""
        if self._loop is not None:
            # When mitmproxy ends, its loop ends before the scribe.
            with suppress(RuntimeError):
                self._loop.call_soon_threadsafe(self._tell, close)

    def _tell(self, close: Event) -> None:
        for flow, stream in list(self._streams.items()):
            if stream.connection == close.connection:
                ctx.master.addons.trigger(GwinspectClosedHook(flow, close))
