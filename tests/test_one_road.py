"""The same traffic reads the same, whatever file it comes in: what differs is what the format lacks, listed here.

Every sample is written as each other program would write it, imported again, and compared row by row: rows, findings
and verdicts.
"""

import json
import zipfile
from collections.abc import Callable, Iterable
from contextlib import closing
from dataclasses import dataclass, replace
from functools import cache
from pathlib import Path
from typing import Any

import pytest
from mitmproxy.addons.savehar import SaveHar
from mitmproxy.flow import Flow
from mitmproxy.io import tnetstring

from inspector.importers.formats import open_source
from inspector.importers.hints import Hints
from inspector.importers.mitm import BROKEN, HOW_CLOSED, IN_FRAME
from inspector.model import Closed, Control, Event, Frame, Happening, Knows, Opened, Plane
from inspector.protocol.registry import default
from inspector.store.reader import Reader, stored_happenings
from inspector.store.writer import Writer
from sample_captures.make import HERE, SAMPLES
from tests.fuzz.writing import cdp_of, flows_of, har_of, record_of, write_archive

REGISTRY = default()
HOSTS = ("127.0.0.1",)
Happenings = list[Happening]


def chrome(happenings: Happenings, path: Path) -> None:
    path.write_text(json.dumps(har_of(happenings, "WebInspector")), "utf-8")


def playwright(happenings: Happenings, path: Path) -> None:
    har = har_of(happenings, "Playwright")
    for entry in har["log"]["entries"]:
        for message in entry["_webSocketMessages"]:
            message["time"] *= 1000
    path.write_text(json.dumps(har), "utf-8")


def playwright_zip(happenings: Happenings, path: Path) -> None:
    har = har_of(happenings, "Playwright")
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        files: dict[str, str] = {}
        for number, entry in enumerate(har["log"]["entries"]):
            messages = [each | {"time": each["time"] * 1000} for each in entry.pop("_webSocketMessages")]
            files[f"{number:032x}.jsonl"] = "".join(json.dumps(each) + "\n" for each in messages)
            entry["response"]["content"] = {"size": -1, "mimeType": "x-unknown", "_file": f"{number:032x}.jsonl"}
        for name, text in {"har.har": json.dumps(har), **files}.items():
            archive.writestr(name, text)


def playwright_folder(happenings: Happenings, path: Path) -> None:
    playwright_zip(happenings, path.with_suffix(".zip"))
    with zipfile.ZipFile(path.with_suffix(".zip")) as archive:
        archive.extractall(path)


def events(happenings: Happenings, path: Path) -> None:
    path.write_text("".join(json.dumps(each) + "\n" for each in cdp_of(happenings)), "utf-8")


def monitor(happenings: Happenings, path: Path) -> None:
    path.write_text(json.dumps(cdp_of(happenings), indent="  "), "utf-8")


def only(*names: str) -> Callable[[Happenings, Path], None]:
    """A script that listens to some events alone."""

    def write(happenings: Happenings, path: Path) -> None:
        heard = [each for each in cdp_of(happenings) if each["method"].removeprefix("Network.webSocket") in names]
        path.write_text("".join(json.dumps(each) + "\n" for each in heard), "utf-8")

    return write


def minimal(happenings: Happenings, path: Path) -> None:
    """Playwright's, without times."""
    har = har_of(happenings, "Playwright")
    for entry in har["log"]["entries"]:
        entry["_webSocketMessages"] = [each | {"time": -1} for each in entry["_webSocketMessages"]]
    path.write_text(json.dumps(har), "utf-8")


def omit(happenings: Happenings, path: Path) -> None:
    """Playwright's, without messages."""
    har = har_of(happenings, "Playwright")
    for entry in har["log"]["entries"]:
        del entry["_webSocketMessages"]
    path.write_text(json.dumps(har), "utf-8")


def http_toolkit(happenings: Happenings, path: Path) -> None:
    har = har_of(happenings, "HTTP Toolkit")
    ends = [
        next((each.at_ns for each in happenings if isinstance(each, Closed) and each.connection == number), 0)
        for number in dict.fromkeys(each.connection for each in happenings)
    ]
    begins = {each.connection: each.at_ns for each in happenings if isinstance(each, Opened)}
    for entry, begin, end in zip(har["log"]["entries"], begins.values(), ends, strict=True):
        entry["time"] = (end - begin) / 1e6
    path.write_text(json.dumps(har), "utf-8")


def mitmproxys_har(happenings: Happenings, path: Path) -> None:
    """By its own writer."""
    flows = [Flow.from_state(state) for state in flows_of(happenings)]
    path.write_text(json.dumps(SaveHar().make_har(flows)), "utf-8")


def flows(happenings: Happenings, path: Path) -> None:
    """As mitmproxy writes them, each when it ends; with what our addon leaves of the close."""
    ends = {each.connection: each.at_ns for each in happenings}
    numbers = list(dict.fromkeys(each.connection for each in happenings))
    states = dict(zip(numbers, flows_of(happenings), strict=True))
    for each in happenings:
        if isinstance(each, Closed) and "metadata" in states[each.connection]:
            states[each.connection]["metadata"] = {HOW_CLOSED: BROKEN if each.code == 1006 else IN_FRAME}
    path.write_bytes(b"".join(tnetstring.dumps(states[number]) for number in sorted(numbers, key=ends.__getitem__)))


def discordless(happenings: Happenings, path: Path) -> None:
    write_archive(happenings, path)


def frames(happenings: Happenings, path: Path) -> None:
    header = {"format": "gwinspect-frames", "version": 1}
    records = list(map(record_of, happenings))
    path.write_text("".join(json.dumps(each) + "\n" for each in [header, *records]), "utf-8")


def capture(happenings: Happenings, path: Path) -> None:
    write(happenings, path)


@dataclass(frozen=True)
class Format:
    """A kind of file, and what it lacks."""

    name: str
    write: Callable[[Happenings, Path], None]
    knows: Knows
    """What is left is in the rows; what the format lacks is taken out of the original before it is compared."""
    has_media: bool = False
    has_client: bool = False
    """The client's address."""
    has_ends: bool = False
    """When connections ended, although not how."""
    has_silent: bool = True
    """Connections on which the server said nothing, refused ones too."""


HAR = Knows.TIMES | Knows.BOTH_SIDES | Knows.WIRE
ONE_SIDE = Knows.TIMES | Knows.WIRE
FORMATS = (
    Format("a.gwcap", capture, Knows.ALL, has_media=True, has_client=True),
    Format("a.frames.jsonl", frames, Knows.ALL, has_media=True, has_client=True),
    Format("a.mitm", flows, Knows.ALL & ~Knows.PINGS),
    Format("chrome.har", chrome, HAR),
    Format("playwright.har", playwright, HAR),
    Format("playwright.zip", playwright_zip, HAR),
    Format("toolkit.har", http_toolkit, HAR | Knows.END),
    Format("mitmproxy.har", mitmproxys_har, HAR),
    Format("playwright", playwright_folder, HAR),
    Format("events.jsonl", events, HAR, has_ends=True),
    Format("monitor.json", monitor, HAR, has_ends=True),
    Format("traffic_archive", discordless, Knows.TIMES | Knows.WIRE, has_silent=False),
)


# What lacks so much that the rows are others.
POOR = (
    Format("minimal.har", minimal, Knows.BOTH_SIDES | Knows.WIRE),
    Format("omit.har", omit, Knows.TIMES | Knows.WIRE),
    Format("messages.jsonl", only("Created", "FrameSent", "FrameReceived"), HAR),
    Format(
        "received.jsonl",
        only("Created", "WillSendHandshakeRequest", "FrameReceived", "Closed"),
        Knows.TIMES | Knows.WIRE,
    ),
    Format("sent.jsonl", only("Created", "WillSendHandshakeRequest", "FrameSent", "Closed"), ONE_SIDE),
)


EACH_FORMAT = pytest.mark.parametrize("form", FORMATS, ids=[form.name for form in FORMATS])


@cache
def recorded(name: str) -> tuple[Happening, ...]:
    """A sample as its capture has it, to the microsecond, which is all that a HAR or a flow has."""
    with closing(Reader(HERE / f"{name}.gwcap")) as reader:
        told = [each for batch in stored_happenings(reader.db) for each in batch]
    return tuple(replace(each, at_ns=each.at_ns // 1000 * 1000) for each in told)


def as_far_as_known(happenings: Iterable[Happening], known: Format) -> Happenings:
    """What is left of a recording in a format that lacks something."""
    told = with_its_media(happenings, known)
    if Knows.PINGS not in known.knows:
        told = [each for each in told if not isinstance(each, Control)]
    if Knows.BOTH_SIDES not in known.knows:
        told = [each for each in told if not (isinstance(each, Frame) and each.from_client)]
    if not known.has_silent:
        spoken = {each.connection for each in told if isinstance(each, Frame)}
        told = [each for each in told if each.connection in spoken]
    last = {each.connection: each for each in told if not isinstance(each, Closed)}
    ends = {each.connection for each in told if isinstance(each, Closed) and known.has_ends}
    left: Happenings = []
    for each in told:
        if isinstance(each, Opened):
            client = each.client if known.has_client else None
            each = replace(each, knows=known.knows, headers={}, client=client)
            left.append(each)
            is_all = last[each.connection].at_ns == each.at_ns and each.connection not in ends
            if Knows.END not in known.knows and is_all and each.refusal is None:
                left.append(Closed(each.connection, each.at_ns, None))
        elif not isinstance(each, Closed):
            left.append(each)
            if Knows.END not in known.knows and last[each.connection] is each and each.connection not in ends:
                left.append(Closed(each.connection, each.at_ns, None))
        elif each.connection in ends:
            left.append(Closed(each.connection, each.at_ns, None))
        elif Knows.END in known.knows:
            left.append(each if Knows.CLOSER in known.knows else replace(each, by=None, marks=each.marks & 0))
    return numbered(left)


def with_its_media(happenings: Iterable[Happening], form: Format) -> Happenings:
    told = list(happenings)
    media = {each.connection for each in told if isinstance(each, Opened) and each.plane is Plane.MEDIA}
    return [each for each in told if form.has_media or each.connection not in media]


def numbered(happenings: Happenings) -> Happenings:
    """The connections of which something is left, numbered by their opening."""
    numbers = {each: at for at, each in enumerate(dict.fromkeys(each.connection for each in happenings), 1)}
    return [replace(each, connection=numbers[each.connection]) for each in happenings]


def write(happenings: Iterable[Happening], path: Path) -> None:
    writer = Writer(path, REGISTRY, made_by="test", keep_secrets=True, bulk=True)
    writer.write(list(happenings))
    writer.finish()


def told(event: Event) -> dict[str, Any]:
    """What a row says, its findings and its verdict with it."""
    names = ("n", "connection", "at_ns", "kind", "from_client", "op", "event", "seq", "note", "answers", "latency_ns")
    row: dict[str, Any] = {name: getattr(event, name) for name in names}
    row["ids"] = event.guild_id, event.channel_id, event.user_id
    row["findings"], row["verdict"], row["closed"] = event.findings, event.verdict, event.closed
    return row


def rows_of(path: Path) -> list[dict[str, Any]]:
    with closing(Reader(path)) as reader:
        return [told(event) for event in reader.all_events()]


def imported(happenings: Happenings, form: Format, tmp_path: Path) -> list[dict[str, Any]]:
    form.write(happenings, tmp_path / form.name)
    if form.name.endswith(".gwcap"):
        return rows_of(tmp_path / form.name)
    write(open_source(tmp_path / form.name, Hints(HOSTS)), tmp_path / "imported.gwcap")
    return rows_of(tmp_path / "imported.gwcap")


@EACH_FORMAT
def test_the_same_traffic_reads_the_same_in_every_format(form: Format, tmp_path: Path) -> None:
    different = []
    for name in SAMPLES:
        (tmp_path / name).mkdir()
        whole = recorded(name)
        left = as_far_as_known(whole, form)
        write(left, tmp_path / name / "left.gwcap")
        wanted = rows_of(tmp_path / name / "left.gwcap")
        found = imported(with_its_media(whole, form), form, tmp_path / name)
        different += [
            f"{name}, row {one['n']}: {key} is {two[key]!r:.300} and not {one[key]!r:.300}"
            for one, two in zip(wanted, found, strict=False)
            for key in one
            if one[key] != two[key]
        ]
        if len(wanted) != len(found):
            different.append(f"{name}: {len(found)} rows and not {len(wanted)}")
    assert different == []


@pytest.mark.parametrize("form", FORMATS + POOR, ids=lambda form: form.name)
def test_what_a_format_lacks_raises_no_alarm(form: Format, tmp_path: Path) -> None:
    """Whatever is noticed in a file was noticed by the recorder, or says itself that something is missing."""
    alarms = []
    for name in SAMPLES:
        (tmp_path / name).mkdir()
        whole = numbered(with_its_media(recorded(name), form))
        write(whole, tmp_path / name / "whole.gwcap")
        known, seen = (
            {(row["connection"], finding.rule) for row in rows for finding in row["findings"]}
            for rows in (rows_of(tmp_path / name / "whole.gwcap"), imported(whole, form, tmp_path / name))
        )
        alarms += [f"{name}: {rule} on connection {connection}" for connection, rule in sorted(seen - known)]
    assert alarms == []
