"""Messages that no honest end would send, and the whole road that each has to take without a fault.

Bodies are those of the samples, with values of the wrong kind and size in a few places, or are made of the keys that
our tables and our code ask for. All of it follows from a number.
"""

import json
import re
from contextlib import closing
from functools import cache
from pathlib import Path
from random import Random
from typing import Any

from inspector.analysis.diagnosis import diagnose
from inspector.analysis.findings import Findings
from inspector.analysis.lanes import LaneReader
from inspector.analysis.measure import Measures
from inspector.analysis.overview import Overview
from inspector.analysis.stats import Survey
from inspector.analysis.voice import VoiceReader
from inspector.export.chosen import Chosen
from inspector.export.file import FORMATS
from inspector.export.html.page import page
from inspector.model import ABSENT, Closed, Event, Kind, Mark, Payload, Plane
from inspector.protocol.registry import Registry, default
from inspector.query.grammar import parse
from inspector.query.search import Search
from inspector.report import cells, stats_text
from inspector.report.about import about
from inspector.report.annotate import annotate, bits
from inspector.report.compare import compare
from inspector.report.diagnosis_files import github, junit, markdown
from inspector.report.diagnosis_files import jsonl as diagnosis_jsonl
from inspector.report.diagnosis_text import lines as diagnosis_lines
from inspector.report.diagnosis_text import notes
from inspector.report.jsonl import line
from inspector.report.outline import Outline, body
from inspector.report.present import Presenter, Shown
from inspector.report.pretty import text_of
from inspector.report.recording import Recording
from inspector.report.rows import CaptureRows
from inspector.report.stats_jsonl import jsonl as stats_jsonl
from inspector.report.text import TextRows
from inspector.report.wire_view import wire_facts
from inspector.store.reader import Reader
from inspector.store.writer import Writer
from inspector.wire.decoder import read_payload
from tests.conversation import HELLO, Conversation, identify, ready
from tests.export.html.reading import Read

ROOT = Path(__file__).parents[1]
REGISTRY = default()
_GATEWAY_URL = "wss://gateway.discord.gg/?v=10&encoding={}"
_VOICE_URL = "wss://c-fra01.discord.media/?v={}"

# Each has broken a program that took what it was told for what it expected.
ODD: tuple[Any, ...] = (
    None, True, False, 0, 1, -1, 7, 255, 2**31, 2**32, 2**53, 2**63 - 1, 2**63, 2**64 - 1, 2**64, -(2**63),
    -(2**63) - 1, 2**100, 10**40 - 1, 10**40, -(10**40), 10**400, 10**4299, 1.5, -0.0, 0.1, 5e-324, 1e15, 1e18, 1e22,
    1e100, 1e300, 1e308, -1e308, 1.7976931348623157e308, "", "0", "-1", "1e999", "nan", "x", "1" * 19, "9" * 19,
    "9" * 20, "9" * 40, "9" * 41, "9" * 5000, "9223372036854775808", "2026-01-31T12:00:00+00:00",
    "0001-01-01T00:00:00+14:00", "9999-12-31T23:59:59-14:00", "0000-00-00T00:00:00", "2026-01-31T12:00:00+99:99",
    "\x1b]0;x\x07", "\u202e\u2066", "\ud800", "\udfff\ud800", "\0", "\n\r\t", "é" * 300,
    "\U0001f469\u200d\U0001f52c", "x" * 5000, "http://[", "wss://[::1", "//@", "udp://:99999999", [], {}, [[]], [{}],
    {"": None}, {"id": []}, {"id": 2**64}, [None], ["x"] * 70, [0] * 70, {"0": 0}, {"user": {"id": -1}}, {"$etf": 1},
    {"base64": 1},
)  # fmt: skip
# What only ETF can say.
ODD_IN_ETF: tuple[Any, ...] = (
    10**5000, -(10**5000), b"", b"\xff\xfe", b"\x00" * 300, (), (1, b"x"), {1: 2}, {b"x": []},
    {10**5000: 1, -(10**400): 2, 1.5: 3, None: 4, (1,): 5},
)  # fmt: skip

FILTERS = (
    "heartbeat", "999", "d.guild_id == 9223372036854775808", "d.* > 5", "d.*.* =~ *x*", "guild > 9223372036854775807",
    "not user < 5", "d.x != null", "seq >= 0", "latency > 1", "event =~ *E*", "reason =~ /x|y/", "finding >= info",
    "d.user.id in (1, 18446744073709551616)", "d.content =~ /[0-9]+/", "not channel == 7", "op in (0, heartbeat_ack)",
)  # fmt: skip
_WORD = re.compile(r"""(?:\.get\(|\[|_get\([\w.() ]+, |inner\([\w.() ]+, |number_in\([\w.() ]+, )"(\w+)\"""")


@cache
def words() -> tuple[str, ...]:
    """Return the keys that anything of ours asks a body for."""
    found = {key for source in (ROOT / "inspector").rglob("*.py") for key in _WORD.findall(source.read_text("utf-8"))}
    for template in templates():
        found |= set(re.findall(r"[a-z_]+(?=[.|}:?])", template))
    for row in REGISTRY.value_sets:
        found |= {key for place in row.at for key in place.split(".")}
    for secret in REGISTRY.secrets:
        found |= set(re.findall(r"[a-z_]+", str(secret)))
    return tuple(sorted(found))


def templates() -> list[str]:
    rows = [*REGISTRY.events.values(), *REGISTRY.opcodes()]
    return [row.summary for row in rows if row.summary]


Seen = tuple[Plane, bool, int | str | None, str | None, Any]


@cache
def samples() -> tuple[Seen, ...]:
    """Return a body of each kind of payload in the samples, with its plane, whether a client sent it, opcode, event."""
    found: dict[tuple[object, ...], Seen] = {}
    for path in sorted((ROOT / "sample_captures").glob("*.gwcap")):
        reader = Reader(path)
        for event in reader.all_events():
            key = event.plane, event.from_client, event.op, event.event
            if key in found or event.payload is None or event.encoding not in ("json", "etf"):
                continue
            payload = read_payload(event.plane, event.encoding, event.payload)
            if isinstance(payload, Payload) and payload.d is not ABSENT and event.plane is not Plane.MEDIA:
                found[key] = (event.plane, bool(event.from_client), event.op, event.event, payload.d)
        reader.close()
    return tuple(found.values())


class Hostile:
    """An end that sends what it likes. `seed` decides all of it."""

    def __init__(self, seed: int) -> None:
        self._random = Random(seed)

    def happenings(self) -> list[Any]:
        """Return a few connections: the main gateway in one of its encodings, and a voice gateway."""
        choose = self._random.choice
        self._etf = choose((True, False))
        encoding = "etf" if self._etf else "json"
        main = Conversation(encoding, choose(("none", "zlib-stream", "zstd-stream", "payload")))
        main.opens(
            **choose(({}, {"status": self.odd(int) or 101}, {"headers": {"\x1b": "\ud800"}}, {"joined_late": True}))
        )
        if choose((True, True, False)):
            main.server(HELLO).client(identify(**self._odd_keys(("intents", "shard", "capabilities", "compress"))))
            main.server(ready())
        self._talk(main, Plane.GATEWAY)
        self._etf = False
        version = choose(("8", "4", "9" * 30, "-1", "x"))
        url = _VOICE_URL.format(version)
        voice = Conversation(plane=Plane.VOICE, url=url, connection=2, at_ns=main.happenings[-1].at_ns)
        voice.opens().server({"op": 8, "d": {"v": self.odd(), "heartbeat_interval": self.odd()}})
        self._talk(voice, Plane.VOICE)
        for _ in range(self._random.randrange(4)):
            data = self._random.randbytes(self._random.randrange(40))
            op = choose((3, 5, 21, 23, 25, 26, 27, 28, 29, 30, 31, 255))
            server = choose((True, False))
            head = self._random.randbytes(2) if server else b""
            voice.frame(head + bytes([op]) + data, from_client=not server)
        other = Conversation(plane=choose((Plane.REMOTE_AUTH, Plane.RPC)), url="wss://x/", connection=3)
        other.opens()
        self._talk(other, other.plane)
        ends = [
            Closed(
                talk.connection,
                talk.happenings[-1].at_ns,
                choose((None, 1000, 4004, 4014, 10**30, -5, 0, 65535)),
                choose(("", "\ud800", "x" * 200, "\x1b[2J")),
                choose(("client", "server", "proxy", None)),
                choose((Mark.NONE, Mark.TOLD_1000, Mark.FORBIDDEN)),
            )
            for talk in (main, voice, other)
        ]
        return [*main.happenings, *voice.happenings, *other.happenings, *ends]

    def odd(self, kind: type = object) -> Any:
        """Return a value that nobody expects, perhaps with more of them in it."""
        while True:
            value = self._random.choice(ODD if not self._etf or self._random.random() < 0.8 else ODD_IN_ETF)
            if isinstance(value, kind):
                return value

    def _odd_keys(self, keys: tuple[str, ...]) -> dict[str, Any]:
        return {key: self.odd() for key in keys if self._random.random() < 0.4}

    def _talk(self, talk: Conversation, plane: Plane) -> None:
        known = [seen for seen in samples() if seen[0] is plane]
        for _ in range(self._random.randint(1, 6)):
            if known and self._random.random() < 0.7:
                _, from_client, op, event, d = self._random.choice(known)
                d = self._spoilt(d, 0)
            else:
                from_client, op, event, d = self._made_up(plane)
            envelope = self._envelope(plane, op, event, d)
            data = self._encoded(talk, envelope)
            if from_client:
                talk.frame(data, from_client=True, is_text=not self._etf)
            elif talk.compression == "none":
                talk.frame(data, is_text=not self._etf)
            else:
                talk.junk(data)

    def _made_up(self, plane: Plane) -> tuple[bool, int | str | None, str | None, Any]:
        choose = self._random.choice
        from_client = choose((True, False))
        if plane is Plane.GATEWAY and choose((True, False)):
            name = choose((*REGISTRY.events, "X"))
            row = REGISTRY.events.get(name)
            return from_client, 0, name, self._body(row.summary if row else None)
        row = choose([row for row in REGISTRY.opcodes() if row.plane == plane])
        return from_client, row.number, None, self._body(row.summary)

    def _body(self, template: str | None) -> Any:
        if self._random.random() < 0.1:
            return self.odd()
        found: dict[str, Any] = {}
        for path in re.findall(r"[a-z_]+(?:\.[a-z_0-9]+)*", template or ""):
            into, *steps = found, *path.split(".")
            for step in steps[:-1]:
                below = into.setdefault(step, {})
                into = below if isinstance(below, dict) else {}
            into[steps[-1]] = self.odd()
        for key in self._random.sample(words(), 6):
            found.setdefault(key, self.odd())
        return found

    def _spoilt(self, value: Any, depth: int) -> Any:
        """Return a copy of a body in which some values are others."""
        if self._random.random() < (0.15 if depth else 0.03):
            return self.odd()
        if isinstance(value, dict):
            found = {key: self._spoilt(item, depth + 1) for key, item in value.items() if self._random.random() < 0.95}
            if self._random.random() < 0.1:
                found[self._random.choice(words())] = self.odd()
            return found
        if isinstance(value, list):
            return [self._spoilt(item, depth + 1) for item in value[:50]]
        return value

    def _envelope(self, plane: Plane, op: int | str | None, event: str | None, d: Any) -> dict[str, Any]:
        if plane is Plane.RPC:
            return {"cmd": op, "evt": event, "data": d}
        if plane is Plane.REMOTE_AUTH:
            return {**(d if isinstance(d, dict) else {"x": d}), "op": op}
        number = "seq" if plane is Plane.VOICE else "s"
        envelope = {"op": op, "t": event, number: self._random.randrange(9), "d": d}
        if self._etf and self._random.random() < 0.1:
            envelope[self._random.choice((10**5000, 7, None, b"\xff", (1, 2)))] = self.odd()
        for key in tuple(envelope):
            if self._random.random() < 0.05:
                envelope[key] = self.odd()
        return envelope

    def _encoded(self, talk: Conversation, envelope: dict[str, Any]) -> bytes:
        # Samples of ETF have binaries that are no text.
        return talk.encoded(envelope) if self._etf else json.dumps(envelope, default=repr).encode()


def follow(path: Path, happenings: list[Any], registry: Registry = REGISTRY) -> int:
    """Take `happenings` all the way to whoever looks at them, in each way that there is, and return how many rows came.

    The capture is made at `path`. Whatever raises is a fault.
    """
    writer = Writer(path, registry, made_by="test")
    for happening in happenings:
        writer.write([happening])
        writer.tick(happening.at_ns)
    writer.finish()
    reader = Reader(path)
    rows = CaptureRows(reader)
    events = list(reader.all_events())
    for reveal in (False, True):
        presenter = Presenter(registry, reveal=reveal)
        shown = [presenter.show(event, rows) for event in events]
        assert all(each.fault == "" for each in shown)
        _write(shown, rows)
        with closing(Recording(path, registry, reveal=reveal)) as recording:
            assert Read(b"".join(page(recording, [path.name]))).unbalanced == []
            for write in FORMATS.values():
                assert b"".join(write(Chosen(recording, [event.n for event in events])))
        for event in events:
            presenter.line(event, rows)
        before: Shown | None = None
        for each in shown:
            _explain(each, before, rows, registry, reveal=reveal)
            before = each
    _filter(reader, events)
    _survey(path, reader, registry)
    reader.close()
    return len(events)


def _write(shown: list[Shown], rows: CaptureRows) -> None:
    for width in (None, 60, 200):
        text = TextRows(width=width, colour=True)
        for each in shown:
            assert "\x07" not in "".join(text.lines(each))
    for each in shown:
        found = json.loads(line(each, rows.raw(each.event)))
        assert found["n"] == each.event.n
        cells.summary(each).encode()


def _explain(shown: Shown, before: Shown | None, rows: CaptureRows, registry: Registry, *, reveal: bool) -> None:
    event = shown.event
    name = event.event or shown.name
    assert about(shown, rows, registry).entries
    text_of(shown)

    def spelt(value: Any, path: Any) -> list[str]:
        return bits(value, path, name, event.plane, registry)

    tree = Outline(body(shown), spelling=spelt)
    if tree.lines:
        tree.unfold_below(0)
    for each in tree.lines[:300]:
        annotate(each.value, each.path, name, event.plane, registry, rows.names, now_ns=event.at_ns)
    facts = wire_facts(shown, rows, registry, reveal=reveal)
    assert facts.decoded is None or isinstance(facts.decoded, bytes)
    if before is not None:
        compare(before.d, shown.d)


def _filter(reader: Reader, events: list[Event]) -> None:
    for text in FILTERS:
        search, single = (Search(parse(text, REGISTRY), REGISTRY) for _ in range(2))
        found = [number for step in search.numbers(reader, 0, reader.last()) for number in step.found]
        assert found == [e.n for e in events if single.matches(e, reader.connection(e.connection))]
        assert not search.problem


def _survey(path: Path, reader: Reader, registry: Registry) -> None:
    for reading in (
        Overview(reader, registry),
        Measures(reader),
        LaneReader(reader),
        VoiceReader(reader),
        Findings(reader),
    ):
        while reading.advance():
            pass
        reading.snapshot()
    survey = Survey(reader, registry).take(lambda done, total: None)
    list(stats_jsonl(survey, "x"))
    list(stats_text.lines(survey, "x", limit=20, width=100, colour=False, ascii_only=False))
    found = diagnose(path)
    notes(found, path)
    list(diagnosis_jsonl(found))
    junit([found], None)
    list(github(found))
    list(markdown(found))
    list(diagnosis_lines(found, width=100, colour=False, ascii_only=False, everything=True))
    assert all(event.kind is not Kind.UNDECODED or event.undecoded for event in reader.events())
