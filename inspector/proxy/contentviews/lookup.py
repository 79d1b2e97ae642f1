"""From a message to what it says, for the views of both of mitmproxy's APIs.

mitmproxy asks for one message at a time, in any order, and for all of them again whenever it draws a flow. So each flow
is read in order, once, into a `Transcript` with a pipeline of its own, and those of the flows that somebody looked at
lately are kept.

Why they are not looked up in the capture, where the scribe writes the same rows: a flow that was loaded from a file
into the window has none; a row is written up to 50 ms after mitmproxy has drawn its message; and a query for each
message of a flow would hold up the loop that forwards traffic. The price: a flow somebody looks at is decoded a second
time, and the rules see one connection, so what only shows over several is in the capture alone. Numbers of rows would
not be those of the capture, so none is shown.
"""

import math
import time
from collections import OrderedDict
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, Literal
from weakref import WeakKeyDictionary

from mitmproxy.http import HTTPFlow

from inspector.importers.candidates import MAX_FRAMES, identify
from inspector.importers.mitm import frame_of, opened_of
from inspector.model import Event, Opened
from inspector.protocol.hosts import plane_of, shape_of
from inspector.protocol.registry import Registry

if TYPE_CHECKING:
    from inspector.proxy.contentviews.transcript import Transcript

Sort = Literal["row", "note", "json"]
"""What a line is: a row of the timeline; a finding or another word on it; a line of the payload."""
Page = list[tuple[Sort, str]]
"""What one message says, line by line. Every line is inert, and secrets are masked."""

PRIORITY = 10.0
"""Above those of mitmproxy's own views, which end at 2."""

# Bytes of finished pages that are kept, compressed: some 300,000 messages.
BUDGET = 64 * 1024 * 1024
# Seconds of one turn of mitmproxy's loop that go into reading, some 2,000 messages. All traffic waits meanwhile.
TURN = 0.3
# And of those turns in which the rest is read, when no one waits for it.
SLICE = 0.02
# Flows that are remembered, those that are no gateways too.
MAX_FLOWS = 1000


class Transcripts:
    """The transcripts of the flows that somebody looked at lately.

    `hosts` gives the user's own hosts that count as gateways, `number` the connection of the capture that a flow is, if
    it is recorded. `ended` is told of the close of a flow once its end has been read. `soon` has something done once
    the loop that draws has turned, and says whether there is one; `later` has `read_on` called for a flow, until there
    is nothing left to read.
    """

    def __init__(
        self,
        registry: Registry,
        *,
        hosts: Callable[[], Iterable[str]] = tuple,
        number: Callable[[HTTPFlow], int | None] = lambda flow: None,
        ended: Callable[[HTTPFlow, Event], None] = lambda flow, event: None,
        soon: Callable[[Callable[[], None]], bool] = lambda action: False,
        later: Callable[[HTTPFlow], None] = lambda flow: None,
        budget: int = BUDGET,
    ) -> None:
        self._registry = registry
        self._hosts = hosts
        self._number = number
        self._ended = ended
        self._soon = soon
        self._later = later
        self._spent = 0.0
        self._is_counting = False
        self._budget = budget
        self._flows: OrderedDict[str, Transcript | None] = OrderedDict()
        self._withdrawn = False
        self._closes: WeakKeyDictionary[HTTPFlow, Event] = WeakKeyDictionary()

    def learn(self, flow: HTTPFlow, close: Event) -> None:
        """Take over what somebody who knows more than the flow itself says of its close."""
        self._closes[flow] = close

    def clear(self) -> None:
        """Forget everything, and claim nothing from now on."""
        self._flows.clear()
        self._withdrawn = True

    def priority(self, flow: Any, message: Any) -> float:
        """Return how much the view wants to show `message`: below zero for what is not a gateway's."""
        return PRIORITY if message is not None and self.of(flow) is not None else -1.0

    def page(self, flow: Any, message: Any) -> Page:
        """Return what `message` says. Raises ValueError where it is not one of a gateway's flow."""
        transcript = None if message is None else self.of(flow)
        if transcript is None:
            raise ValueError("this is not a message of a Discord gateway")
        size_before = transcript.size
        with self._turn() as deadline:
            page = transcript.page(flow, message, deadline)
        if transcript.size > size_before:
            self._keep_within(transcript)
        if page is None:
            self._later(flow)
            page = [("note", "… not read yet, because much comes before it")]
        return page

    def account(self, flow: Any) -> list[str]:
        """Return the lines on a flow as a whole: how it began, what was noticed, how it ended. Empty for no gateway."""
        transcript = self.of(flow)
        if transcript is None:
            return []
        with self._turn() as deadline:
            is_whole, lines = transcript.account(flow, deadline)
        self._keep_within(transcript)
        if not is_whole:
            self._later(flow)
            lines.append("… the rest of this long connection is being read; ask again in a moment")
        return lines

    def read_on(self, flow: HTTPFlow) -> bool:
        """Read some more of `flow`, and say whether there is more to read."""
        transcript = self.of(flow)
        if transcript is None:
            return False
        is_whole = transcript.read(flow, None, time.perf_counter() + SLICE)
        self._keep_within(transcript)
        return not is_whole

    @contextmanager
    def _turn(self) -> Iterator[float]:
        """Give the time, of `perf_counter`, up to which this turn of the loop may be spent on reading."""
        began = time.perf_counter()
        self._is_counting = self._is_counting or self._soon(self._begin_turn)
        yield began + TURN - self._spent if self._is_counting else math.inf
        self._spent += time.perf_counter() - began

    def _begin_turn(self) -> None:
        self._spent = 0.0
        self._is_counting = False

    def of(self, flow: Any) -> "Transcript | None":
        """Return the transcript of a flow, begun or to be begun; None where it is not a gateway's."""
        if self._withdrawn or not isinstance(flow, HTTPFlow) or flow.websocket is None:
            return None
        if flow.id in self._flows:
            self._flows.move_to_end(flow.id)
            return self._flows[flow.id]
        messages = flow.websocket.messages
        url = flow.request.pretty_url
        opened = None
        if plane_of(url, self._hosts()) is not None or shape_of(url) is not None:
            opened = opened_of(flow, self._number(flow) or 1)
            first = [frame_of(message, opened) for message in messages[:MAX_FRAMES]]
            opened = identify(opened, first, self._hosts())
            if opened is None and len(messages) < MAX_FRAMES and flow.websocket.timestamp_end is None:
                # It has not said Hello, and still may.
                return None
        found = self._flows[flow.id] = None if opened is None else self._transcript(opened)
        if len(self._flows) > MAX_FLOWS:
            self._flows.popitem(last=False)
        return found

    def _transcript(self, opened: Opened) -> "Transcript":
        # With all that it takes to put things into words, which costs a start of mitmproxy 50 to 100 ms.
        from inspector.proxy.contentviews.transcript import Transcript
        from inspector.report.present import Presenter

        return Transcript(opened, Presenter(self._registry), self._closes, self._ended)

    def _keep_within(self, current: "Transcript") -> None:
        """Let go of what was not looked at for longest, until what is left is within the budget."""
        kept = sum(each.size for each in self._flows.values() if each is not None)
        for key in list(self._flows) if kept > self._budget else ():
            each = self._flows[key]
            if each is not None and each is not current and kept > self._budget:
                kept -= each.size
                del self._flows[key]
        current.shed(kept - self._budget)
