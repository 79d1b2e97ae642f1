"""A bot's library that does all it should."""

from tests.generated.server import Server
from tests.generated.wire import Link, Payload, Recording

GATEWAY = "gateway.discord.gg"
# GUILDS, GUILD_MEMBERS, GUILD_MESSAGES and MESSAGE_CONTENT
INTENTS = 1 | 1 << 1 | 1 << 9 | 1 << 15
# After these a session cannot be resumed, or one must not come back.
LOST = frozenset({1000, 1001, 4007, 4009})
OVER = frozenset({4004, 4010, 4011, 4012, 4013, 4014})


class Client:
    """Connects, beats, comes back, resumes, and does a bot's work."""

    intents = INTENTS

    def __init__(self, recording: Recording, server: Server) -> None:
        self.recording = recording
        self.token = recording.token
        self.dice = recording.dice
        self.server = server
        self.session: str | None = None
        self.seq: int | None = None
        self.host = GATEWAY
        self.link: Link | None = None
        self.acknowledged = True
        self.interval = 0.0
        self.shard = self.dice.choice((None, [0, 1], [1, 4]))
        self.guilds: list[str] = []
        self._identified = -60.0

    def connect(self) -> None:
        dialect = f"v=10&encoding={self.recording.encoding}"
        if self.recording.compression.endswith("stream"):
            dialect += f"&compress={self.recording.compression}"
        link = self.link = Link(self.recording, f"wss://{self.host}/?{dialect}")
        link.heard = lambda payload: self.hear(link, payload)
        link.dropped = lambda code: self.dropped(link, code)
        self.acknowledged = True
        self.server.accept(link)

    def hear(self, link: Link, payload: Payload) -> None:
        if payload["s"] is not None:
            self.seq = payload["s"]
        match payload["op"]:
            case 0:
                self.dispatched(link, payload["t"], payload["d"])
            case 1:
                self.beat(link)
            case 7:
                self.asked_to_leave(link)
            case 9:
                self.refused(link, payload["d"])
            case 10:
                self.greeted(link, payload["d"]["heartbeat_interval"] / 1000)
            case 11:
                self.acknowledged = True

    def greeted(self, link: Link, interval: float) -> None:
        self.interval = interval
        self.recording.after(self.dice.random() * interval, lambda: self.beats(link))
        if self.session is None:
            self.identify(link)
        else:
            self.resume(link)

    def beats(self, link: Link) -> None:
        """Beat, once and again, or leave where the last was not acknowledged."""
        if not link.is_open:
            return
        if not self.acknowledged:
            self.leave(link, 4000)
            return
        self.beat(link)
        self.recording.after(self.interval, lambda: self.beats(link))

    def beat(self, link: Link) -> None:
        self.acknowledged = False
        link.send({"op": 1, "d": self.claimed()})

    def claimed(self) -> int | None:
        return self.seq

    def identify(self, link: Link) -> None:
        d: Payload = {"token": self.token, "intents": self.intents}
        d["properties"] = {"os": "linux", "browser": "tester", "device": "tester"}
        if self.recording.compression == "payload":
            d["compress"] = True
        if self.shard is not None:
            d["shard"] = self.shard
        self._identified = self.recording.now
        link.send({"op": 2, "d": d})

    def resume(self, link: Link) -> None:
        link.send({"op": 6, "d": {"token": self.token, "session_id": self.session, "seq": self.seq}})

    def dispatched(self, link: Link, event: str, d: Payload) -> None:
        if event == "READY":
            self.session, self.host = d["session_id"], d["resume_gateway_url"].removeprefix("wss://")
            self.guilds = [guild["id"] for guild in d["guilds"]]
            self.recording.after(self.dice.uniform(3, 20), lambda: self.works(link))

    def works(self, link: Link) -> None:
        """Do something that a bot does, now and then."""
        if not link.is_open or self.link is not link or self.session is None:
            return
        self.work(link)
        self.recording.after(self.dice.uniform(20, 120), lambda: self.works(link))

    def work(self, link: Link) -> None:
        if self.dice.random() < 0.5:
            activity = {"name": "with fire", "type": 0}
            link.send({"op": 3, "d": {"since": None, "activities": [activity], "status": "online", "afk": False}})
        else:
            guild, nonce = self.dice.choice(self.guilds), f"{self.dice.getrandbits(64):016x}"
            link.send({"op": 8, "d": {"guild_id": guild, "query": "", "limit": 0, "nonce": nonce}})

    def asked_to_leave(self, link: Link) -> None:
        self.recording.after(self.dice.uniform(0, 0.5), lambda: self.leave(link, 4000))

    def refused(self, link: Link, resumable: bool) -> None:
        """React to an Invalid Session: on the same connection, after a moment."""
        if not resumable:
            self.session, self.seq, self.host = None, None, GATEWAY
        wait = max(self.dice.uniform(1, 5), self._identified + 5.5 - self.recording.now)

        def answer() -> None:
            if link.is_open:
                (self.identify if self.session is None else self.resume)(link)

        self.recording.after(wait, answer)

    def leave(self, link: Link, code: int) -> None:
        link.close(code, "client")
        self.come_back(code)

    def dropped(self, link: Link, code: int | None) -> None:
        if code in OVER:
            self.link = None
            return
        if code in LOST:
            self.session, self.seq, self.host = None, None, GATEWAY
        self.come_back(code)

    def come_back(self, code: int | None) -> None:
        wait = self.dice.uniform(1, 4)
        if self.session is None:
            wait = max(wait, self._identified + 5.5 - self.recording.now)
        self.recording.after(wait, self.connect)

    def finish(self) -> None:
        """End, as a program does that is told to."""
        if self.link is not None and self.link.is_open:
            self.link.close(1000, "client")
