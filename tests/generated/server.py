"""A gateway that does all it should."""

from collections.abc import Callable
from dataclasses import dataclass, field

from tests.generated.wire import BOT, Link, Payload, Recording

RESUME_HOST = "gateway-us-east1-b.discord.gg"
GUILD, CHANNEL = 1180000000000000042, 1180000000000000050


@dataclass
class Session:
    """What the server knows of a session."""

    id: str
    shard: list[int] | None
    intents: int
    guilds: list[str]
    link: Link | None = None
    seq: int = 0
    sent: list[Payload] = field(default_factory=list)


class Server:
    """Greets, answers, tells what happens in its guilds, and now and then sends a client away."""

    interval_ms = 41250

    def __init__(self, recording: Recording) -> None:
        self.recording = recording
        self.dice = recording.dice
        self.sessions: dict[str, Session] = {}
        self.count = self.dice.randint(1, 4)
        """Guilds that the bot is in."""
        self.pace = self.dice.choice((0.3, 2, 12))
        """Seconds between two events, on average."""
        self._talk()

    def accept(self, link: Link) -> None:
        """Take a new connection."""
        session: list[Session] = []

        def got(payload: Payload) -> None:
            match payload["op"]:
                case 1:
                    self.acknowledge(link, payload)
                case 2:
                    session[:] = self.identify(link, payload["d"])
                case 6:
                    session[:] = self.resume(link, payload["d"])
                case 8 if session:
                    self.members(session[0], payload["d"])

        def left(code: int | None) -> None:
            for each in session:
                each.link = None
                if code in (1000, 1001):
                    self.sessions.pop(each.id, None)

        link.got, link.left = got, left
        self.greet(link)
        self._disturb(link)

    def greet(self, link: Link) -> None:
        trace = ['["gateway-prd-us-east1-b-0001",{"micros":0.0}]']
        link.answer({"op": 10, "d": {"heartbeat_interval": self.interval_ms, "_trace": trace}, "s": None, "t": None})

    def acknowledge(self, link: Link, payload: Payload) -> None:
        link.answer({"op": 11, "d": None, "s": None, "t": None})

    def identify(self, link: Link, d: Payload) -> list[Session]:
        if d["token"] != self.recording.token:
            link.close(4004, "server", "Authentication failed.")
            return []
        number = f"{self.dice.getrandbits(128):032x}"
        guilds = self.guilds_of(*(d.get("shard") or (0, 1)))
        made = self.sessions[number] = Session(number, d.get("shard"), d.get("intents", 0), guilds, link)
        self.welcome(made)
        return [made]

    def guilds_of(self, shard: int, shards: int) -> list[str]:
        """Return the ids of the guilds that a shard has; a shard's are told by their time."""
        return [str((((GUILD >> 22) + n) * shards + shard) << 22) for n in range(self.count)]

    def welcome(self, session: Session) -> None:
        ready = {
            "v": 10,
            "user": {"id": str(self.recording.bot), "username": "tester", "bot": True},
            "guilds": [{"id": guild, "unavailable": True} for guild in session.guilds],
            "session_id": session.id,
            "resume_gateway_url": f"wss://{RESUME_HOST}",
            "session_type": "normal",
            "application": {"id": str(self.recording.bot), "flags": 0},
            "private_channels": [],
            "_trace": [],
        }
        if session.shard is not None:
            ready["shard"] = session.shard
        self.tell(session, "READY", ready, self.dice.uniform(0.05, 0.6))
        for number, guild in enumerate(session.guilds):
            self.recording.after(0.7 + 0.2 * number, lambda guild=guild: self.arrive(session, guild))  # type: ignore[misc]

    def arrive(self, session: Session, guild: str) -> None:
        """Tell of a guild that READY has promised."""
        channels = [{"id": str(CHANNEL), "name": "general", "type": 0}]
        d = {"id": guild, "name": "Testers", "member_count": 12, "channels": channels, "unavailable": False}
        self.tell(session, "GUILD_CREATE", d)

    def resume(self, link: Link, d: Payload) -> list[Session]:
        session = self.sessions.get(d["session_id"])
        if session is None or d["seq"] is None or d["seq"] > session.seq:
            link.answer({"op": 9, "d": False, "s": None, "t": None}, 0.1)
            return []
        session.link = link
        for payload in [each for each in session.sent if each["s"] > d["seq"]]:
            link.answer(payload, 0.1)
        self.tell(session, "RESUMED", {"_trace": []}, 0.1)
        return [session]

    def members(self, session: Session, d: Payload) -> None:
        for index in range(count := 3):
            user = {"id": str(BOT + 100 + index), "username": f"member{index}"}
            chunk = {"guild_id": d["guild_id"], "members": [{"user": user, "roles": []}], "chunk_index": index}
            chunk |= {"chunk_count": count, "nonce": d["nonce"]} if "nonce" in d else {"chunk_count": count}
            self.tell(session, "GUILD_MEMBERS_CHUNK", chunk, 0.05)

    def tell(self, session: Session, event: str, d: Payload, seconds: float = 0.0) -> None:
        """Send a session an event, or keep it for when it comes back."""
        session.seq = self.number(session)
        payload = {"op": 0, "d": d, "s": session.seq, "t": event}
        session.sent.append(payload)
        if session.link is not None:
            session.link.answer(payload, seconds)

    def number(self, session: Session) -> int:
        return session.seq + 1

    def _talk(self) -> None:
        """Tell everybody of a message now and then."""
        for session in self.sessions.values():
            if session.seq:
                self.say(session)
        self.recording.after(self.dice.expovariate(1 / self.pace), self._talk)

    def say(self, session: Session) -> None:
        guild = self.dice.choice(session.guilds)
        author = {"id": str(BOT + 7), "username": "ada", "bot": False}
        d = {"id": str(BOT + 1000 + session.seq), "channel_id": str(CHANNEL), "guild_id": guild, "author": author}
        self.tell(session, "MESSAGE_CREATE", d | {"content": "good morning", "type": 0, "timestamp": "2026-01-31"})

    def _disturb(self, link: Link) -> None:
        """Have something end the connection after a while, as it ends in real life."""
        how = self.dice.choice((*self.disturbances(link), None, None))
        if how is not None:
            self.recording.after(self.dice.uniform(60, 600), how)

    def disturbances(self, link: Link) -> tuple[Callable[[], None], ...]:
        def ask_to_leave() -> None:
            link.answer({"op": 7, "d": None, "s": None, "t": None})
            self.recording.after(60, lambda: link.close(4000, "server", "Reconnect"))

        def invalidate() -> None:
            for session in list(self.sessions.values()):
                if session.link is link:
                    session.link = None
                    del self.sessions[session.id]
                    link.answer({"op": 9, "d": False, "s": None, "t": None})

        return ask_to_leave, invalidate, link.cut, lambda: link.close(4000, "server", "Unknown error.")
