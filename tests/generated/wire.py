"""The time that goes by, and what a proxy between both ends records of it."""

import heapq
from collections.abc import Callable
from itertools import count
from random import Random
from typing import Any

from inspector.model import Happening
from tests.conversation import DIALECTS, NOON, TOKEN, Conversation

Payload = dict[str, Any]

# The id of the bot.
BOT = 1180000000000000001
# Seconds that a message takes between the proxy and the server.
LATENCY = (0.02, 0.09)


class Recording:
    """A clock, and everything that crosses the wire. `seconds`: how long it goes on; `token`, `bot`: whose it is."""

    def __init__(self, dice: Random, token: str = TOKEN, bot: int = BOT) -> None:
        self.dice = dice
        self.token = token
        self.bot = bot
        self.now = 0.0
        self.seconds = dice.uniform(240, 1500)
        self.encoding, self.compression = dice.choice(DIALECTS)
        self.links: list[Link] = []
        self._due: list[tuple[float, int, Callable[[], None]]] = []
        self._order = count()

    @property
    def happenings(self) -> list[Happening]:
        """What was recorded, in the order of time."""
        found = [each for link in self.links for each in link.talk.happenings]
        return sorted(found, key=lambda each: each.at_ns)

    def after(self, seconds: float, do: Callable[[], None]) -> None:
        """Have something done in so many seconds."""
        self.at(self.now + seconds, do)

    def at(self, moment: float, do: Callable[[], None]) -> None:
        """Have something done at that moment, in seconds from the beginning; at equal ones in the order of calls."""
        heapq.heappush(self._due, (moment, next(self._order), do))

    def play(self, finish: Callable[[], None]) -> None:
        """Let time go by until the end, at which the client is told to `finish`."""
        self.after(self.seconds, finish)
        while self._due and self._due[0][0] <= self.seconds + 1:
            self.now, _, do = heapq.heappop(self._due)
            do()


class Link:
    """One connection between a client and a server, which both are told what comes and how it ends."""

    def __init__(self, recording: Recording, url: str) -> None:
        self._recording = recording
        self.talk = Conversation(
            recording.encoding, recording.compression, url=url, connection=len(recording.links) + 1
        )
        self.is_open = True
        self._passed_ns = 0
        self._arrives = 0.0
        self.got: Callable[[Payload], None] = lambda payload: None
        """Tells the server of a payload."""
        self.heard: Callable[[Payload], None] = lambda payload: None
        """Tells the client of one."""
        self.left: Callable[[int | None], None] = lambda code: None
        """Tells the server that the client has closed."""
        self.dropped: Callable[[int | None], None] = lambda code: None
        """Tells the client that the server has closed, or that the network has failed."""
        recording.links.append(self)
        self._record().opens(headers={"user-agent": "DiscordBot (https://bot.example, 1.0)"})

    def send(self, payload: Payload) -> None:
        """Have the client send something."""
        if self.is_open:
            self._record().client(payload)
            self._later(lambda: self.got(payload))

    def answer(self, payload: Payload, seconds: float = 0.0) -> None:
        """Have the server send something, in so many seconds and what the way takes."""

        def arrive() -> None:
            if self.is_open:
                self._record().server(payload)
                self.heard(payload)

        # None overtakes another.
        self._arrives = max(self._recording.now + seconds + self._recording.dice.uniform(*LATENCY), self._arrives)
        self._recording.at(self._arrives, arrive)

    def close(self, code: int, by: str, reason: str = "") -> None:
        """Let one end close the connection."""
        if not self.is_open:
            return
        if by == "client":
            self.is_open = False
            self._record().closes(code, reason, "client")
            self._later(lambda: self.left(code), even_closed=True)
        else:

            def arrive() -> None:
                if self.is_open:
                    self.is_open = False
                    self._record().closes(code, reason, "server")
                    self.left(code)
                    self.dropped(code)

            self._arrives = max(self._recording.now + self._recording.dice.uniform(*LATENCY), self._arrives)
            self._recording.at(self._arrives, arrive)

    def cut(self) -> None:
        """Let the network fail between the proxy and the server."""
        if self.is_open:
            self.is_open = False
            self._record().closes(1006, "", "server")
            self.left(None)
            self.dropped(None)

    def _later(self, do: Callable[[], None], *, even_closed: bool = False) -> None:
        def arrive() -> None:
            if self.is_open or even_closed:
                do()

        self._recording.after(self._recording.dice.uniform(*LATENCY), arrive)

    def _record(self) -> Conversation:
        # A nanosecond apart at least, so that the order is certain.
        self._passed_ns = max(NOON + int(self._recording.now * 1e9), self._passed_ns + 1)
        return self.talk.at(self._passed_ns)
