"""What a recording does not have is never concluded from: with less of the same traffic in it, nothing new is noticed.

Each sample is read as it is, and with something missing: the ends, who closed, the times, the server's messages from
some point on, the beginning.
"""

import zlib
from collections import Counter
from collections.abc import Callable
from contextlib import closing
from dataclasses import replace
from pathlib import Path

import pytest

from inspector.model import Closed, Frame, Happening, Knows, Opened, Plane, Verdict
from inspector.protocol.registry import default
from inspector.store.reader import Reader, stored_happenings
from inspector.store.writer import Writer
from sample_captures.make import HERE, SAMPLES

REGISTRY = default()
# What says itself that something is missing or cannot be read.
ABOUT_IT = {"undecodable", "joined-late"}
Happenings = list[Happening]


def recorded(name: str) -> Happenings:
    with closing(Reader(HERE / f"{name}.gwcap")) as reader:
        return [happening for batch in stored_happenings(reader.db) for happening in batch]


def read(happenings: Happenings, path: Path) -> tuple[set[tuple[int, str]], dict[int, Verdict]]:
    """Return what is noticed, by connection and rule, and the verdicts by connection."""
    path.unlink(missing_ok=True)
    writer = Writer(path, REGISTRY, made_by="test", keep_secrets=True, bulk=True)
    writer.write(happenings)
    writer.finish()
    with closing(Reader(path)) as reader:
        events = list(reader.all_events())
        noticed = {(event.connection, finding.rule) for event in events for finding in event.findings}
        verdicts = {event.connection: event.verdict for event in events if event.verdict is not None}
    return noticed, verdicts


def without_ends(happenings: Happenings) -> Happenings:
    """As a HAR of Chrome has it."""
    last = {each.connection: each for each in happenings if not isinstance(each, Closed)}
    told: Happenings = []
    for each in happenings:
        if isinstance(each, Opened):
            each = replace(each, knows=each.knows & ~Knows.END & ~Knows.CLOSER & ~Knows.PINGS)
        if not isinstance(each, Closed):
            told.append(each)
            refused = isinstance(each, Opened) and each.refusal is not None
            if last[each.connection] is each and not refused:
                told.append(Closed(each.connection, each.at_ns, None))
    return told


def without_closers(happenings: Happenings) -> Happenings:
    """As a HAR of HTTP Toolkit has it."""
    return [
        replace(each, by=None)
        if isinstance(each, Closed)
        else replace(each, knows=each.knows & ~Knows.CLOSER)
        if isinstance(each, Opened)
        else each
        for each in happenings
    ]


def without_times(happenings: Happenings) -> Happenings:
    """As a HAR of Playwright has it: what is on a connection has the time of its opening."""
    opened = {each.connection: each.at_ns for each in happenings if isinstance(each, Opened)}
    told = [replace(each, at_ns=opened[each.connection]) for each in without_ends(happenings)]
    told = [replace(each, knows=each.knows & ~Knows.TIMES) if isinstance(each, Opened) else each for each in told]
    return sorted(told, key=lambda each: each.at_ns)


def compressed(happenings: Happenings) -> Happenings:
    """The same over zlib-stream, which can be lost."""
    streams: dict[int, object] = {}
    told: Happenings = []
    for each in happenings:
        if isinstance(each, Opened) and each.plane is Plane.GATEWAY and "compress=" not in each.url:
            streams[each.connection] = zlib.compressobj()
            each = replace(each, url=f"{each.url}&compress=zlib-stream")
        elif isinstance(each, Frame) and each.connection in streams and not each.from_client:
            stream = streams[each.connection]
            data = stream.compress(each.data) + stream.flush(zlib.Z_SYNC_FLUSH)  # type: ignore[attr-defined]
            each = replace(each, data=data, is_text=False)
        told.append(each)
    return told


def with_lost_streams(after: int) -> Callable[[Happenings], Happenings]:
    """The streams of `compressed` happenings cannot be read any more after some messages of the server."""

    def change(happenings: Happenings) -> Happenings:
        streams = {each.connection for each in happenings if isinstance(each, Opened) and "-stream" in each.url}
        passed: Counter[int] = Counter()
        told: Happenings = []
        for each in happenings:
            if isinstance(each, Frame) and not each.from_client and each.connection in streams:
                passed[each.connection] += 1
                if passed[each.connection] == after:
                    each = replace(each, data=b"\xff\xff\xff\xff" + each.data)
            told.append(each)
        return told

    return change


def with_unreadable(of_voice: int) -> Callable[[Happenings], Happenings]:
    """One message of each voice server is no payload."""

    def change(happenings: Happenings) -> Happenings:
        voices = {each.connection for each in happenings if isinstance(each, Opened) and each.plane is Plane.VOICE}
        passed: Counter[int] = Counter()
        told: Happenings = []
        for each in happenings:
            if isinstance(each, Frame) and not each.from_client and each.connection in voices:
                passed[each.connection] += 1
                if passed[each.connection] == of_voice:
                    each = replace(each, data=b"{", is_text=True)
            told.append(each)
        return told

    return change


def without_the_beginning(of_each: int) -> Callable[[Happenings], Happenings]:
    """The recording begins when so many messages have passed on each main connection."""

    def change(happenings: Happenings) -> Happenings:
        passed: Counter[int] = Counter()
        told: Happenings = []
        for each in happenings:
            if isinstance(each, Opened):
                each = replace(each, joined_late=each.refusal is None)
            elif isinstance(each, Frame):
                passed[each.connection] += 1
                if passed[each.connection] <= of_each:
                    continue
            told.append(each)
        return told

    return change


WAYS: dict[str, Callable[[Happenings], Happenings]] = {
    "without ends": without_ends,
    "without closers": without_closers,
    "without times": without_times,
    **{f"lost after {n}": with_lost_streams(n) for n in (1, 2, 3, 5, 8)},
    **{f"unread {n}": with_unreadable(n) for n in (1, 2, 3, 4, 5, 7, 9, 12)},
    **{f"late by {n}": without_the_beginning(n) for n in (1, 2, 3, 4, 6)},
}


@pytest.mark.parametrize("way", WAYS)
def test_nothing_is_concluded_from_what_is_missing(way: str, tmp_path: Path) -> None:
    wrong = []
    for name in SAMPLES:
        whole = compressed(recorded(name)) if way.startswith("lost") else recorded(name)
        noticed, verdicts = read(whole, tmp_path / "whole.gwcap")
        less, other = read(WAYS[way](whole), tmp_path / "less.gwcap")
        for connection, rule in sorted(less - noticed):
            if rule not in ABOUT_IT:
                wrong.append(f"{name}: {rule} on connection {connection}")
        for connection, verdict in other.items():
            known = verdicts.get(connection)
            for what in ("reconnect", "resume", "right"):
                value, truth = getattr(verdict, what), getattr(known, what, None)
                if value is not None and value is not truth:
                    wrong.append(
                        f"{name}: {what} is {value} and not {truth} on connection {connection}: {verdict.cause}"
                    )
    assert wrong == []
