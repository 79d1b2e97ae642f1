"""What can be put wrong, on either side, with the rules of which one must come first then."""

from collections.abc import Callable
from dataclasses import dataclass

from inspector.model import Severity
from tests.generated.client import GATEWAY, Client
from tests.generated.server import Server, Session
from tests.generated.wire import Link, Payload, Recording


@dataclass(frozen=True)
class Fault:
    """One thing that is wrong on one side, and what it is told as: the first case is of one of these rules."""

    name: str
    told_as: tuple[str, ...]
    client: type[Client] = Client
    server: type[Server] = Server
    severity: Severity = Severity.WARN
    """How bad it is."""


class NeverBeats(Client):
    def beats(self, link: Link) -> None:
        pass


class StopsBeating(Client):
    def beats(self, link: Link) -> None:
        if self.recording.now < 100:
            super().beats(link)


class BeatsLate(Client):
    def greeted(self, link: Link, interval: float) -> None:
        super().greeted(link, interval)
        self.interval = interval * 1.5


class BeatsTooOften(Client):
    def greeted(self, link: Link, interval: float) -> None:
        super().greeted(link, interval)
        self.interval = interval / 10


class ClaimsTooMuch(Client):
    def claimed(self) -> int | None:
        return None if self.seq is None else self.seq + 500


class IdentifiesTwice(Client):
    again = False

    def dispatched(self, link: Link, event: str, d: Payload) -> None:
        super().dispatched(link, event, d)
        if event == "READY" and not self.again:
            self.again = True
            self.identify(link)


class SpeaksTooEarly(Client):
    def identify(self, link: Link) -> None:
        super().identify(link)
        link.send({"op": 8, "d": {"guild_id": "1180000000000000042", "query": "", "limit": 0, "nonce": "1"}})


class ResumesAnotherSession(Client):
    # Of several shards, it could be another one's.
    def __init__(self, recording: Recording, server: Server) -> None:
        super().__init__(recording, server)
        self.shard = None

    def resume(self, link: Link) -> None:
        link.send({"op": 6, "d": {"token": self.token, "session_id": "f" * 32, "seq": self.seq}})


class ResumesTooFar(Client):
    def resume(self, link: Link) -> None:
        link.send({"op": 6, "d": {"token": self.token, "session_id": self.session, "seq": (self.seq or 0) + 1000}})


class ResumesAtTheMainHost(Client):
    def connect(self) -> None:
        self.host = GATEWAY
        super().connect()


class StartsOver(Client):
    def come_back(self, code: int | None) -> None:
        self.session = None
        super().come_back(code)


class IgnoresReconnect(Client):
    def asked_to_leave(self, link: Link) -> None:
        pass


class IgnoresInvalidSession(Client):
    def refused(self, link: Link, resumable: bool) -> None:
        pass


class ThrowsTheSessionAway(Client):
    def asked_to_leave(self, link: Link) -> None:
        self.session = None
        self.leave(link, 1000)


class HasAWrongToken(Client):
    def __init__(self, recording: Recording, server: Server) -> None:
        super().__init__(recording, server)
        self.token = f"{self.token[:-4]}9876"


class SendsTooMuch(Client):
    def work(self, link: Link) -> None:
        for _ in range(150):
            self.recording.after(self.dice.uniform(0, 15), lambda: super(SendsTooMuch, self).work(link))


class ChangesPresenceTooOften(Client):
    def work(self, link: Link) -> None:
        for _ in range(12):
            link.send({"op": 3, "d": {"since": None, "activities": [], "status": "idle", "afk": False}})


class NeverIdentifies(Client):
    def identify(self, link: Link) -> None:
        pass


class DoesNotAcknowledge(Server):
    def acknowledge(self, link: Link, payload: Payload) -> None:
        if self.recording.now < 90:
            super().acknowledge(link, payload)


class Staying(Client):
    def beats(self, link: Link) -> None:
        self.acknowledged = True
        super().beats(link)


class SkipsNumbers(Server):
    def number(self, session: Session) -> int:
        return session.seq + (3 if session.seq == 10 else 1)


class IsAShard(Client):
    def __init__(self, recording: Recording, server: Server) -> None:
        super().__init__(recording, server)
        self.shard = [1, 4]


class TellsOfOtherShards(Server):
    def guilds_of(self, shard: int, shards: int) -> list[str]:
        return super().guilds_of((shard + 1) % shards, shards)


class AsksToLeave(Server):
    def disturbances(self, link: Link) -> tuple[Callable[[], None], ...]:
        return super().disturbances(link)[:1]

    def _disturb(self, link: Link) -> None:
        # At another age each time: at equal ages it would be a fault of its own.
        self.recording.after(self.dice.uniform(60, 140), self.disturbances(link)[0])


class Invalidates(AsksToLeave):
    def disturbances(self, link: Link) -> tuple[Callable[[], None], ...]:
        return Server.disturbances(self, link)[1:2]


class Drops(AsksToLeave):
    def disturbances(self, link: Link) -> tuple[Callable[[], None], ...]:
        return Server.disturbances(self, link)[2:3]


class ForgetsWhatWasMissed(Drops):
    def __init__(self, recording: Recording) -> None:
        super().__init__(recording)
        # Something has to be missed.
        self.pace = 0.3

    def resume(self, link: Link, d: Payload) -> list[Session]:
        session = self.sessions.get(d["session_id"])
        if session is not None:
            session.sent[d["seq"] :] = []
        return super().resume(link, d)


FAULTS = (
    Fault("never beats", ("heartbeat-never-began",), NeverBeats),
    Fault("stops beating", ("heartbeat-overdue", "heartbeat-never-began"), StopsBeating),
    Fault("beats late", ("heartbeat-late", "heartbeat-overdue"), BeatsLate),
    Fault("beats too often", ("heartbeat-flood",), BeatsTooOften),
    Fault("claims too much", ("heartbeat-seq-wrong",), ClaimsTooMuch),
    Fault("identifies twice", ("identify-twice",), IdentifiesTwice),
    Fault("speaks too early", ("command-before-ready",), SpeaksTooEarly),
    Fault("resumes another session", ("resume-unknown-session",), ResumesAnotherSession, Drops),
    Fault("resumes too far", ("resume-wrong-seq",), ResumesTooFar, Drops),
    Fault("resumes at the main host", ("resume-at-wrong-url",), ResumesAtTheMainHost, Drops),
    Fault("starts over", ("identify-instead-of-resume",), StartsOver, Drops),
    Fault("ignores reconnect", ("reconnect-ignored",), IgnoresReconnect, AsksToLeave),
    Fault("ignores invalid session", ("invalid-session-ignored",), IgnoresInvalidSession, Invalidates),
    Fault("throws the session away", ("session-thrown-away",), ThrowsTheSessionAway, AsksToLeave),
    Fault("has a wrong token", ("close-4004",), HasAWrongToken),
    Fault("sends too much", ("send-budget", "presence-flood"), SendsTooMuch),
    Fault("changes presence too often", ("presence-flood",), ChangesPresenceTooOften),
    Fault("never identifies", ("no-identify",), NeverIdentifies),
    Fault("stays without ACKs", ("heartbeat-ack-missing",), Staying, DoesNotAcknowledge),
    Fault("skips numbers", ("seq-gap",), server=SkipsNumbers, severity=Severity.INFO),
    Fault("tells of other shards", ("event-outside-shard",), IsAShard, TellsOfOtherShards),
    Fault("forgets what was missed", ("resume-lost-events",), server=ForgetsWhatWasMissed),
)
