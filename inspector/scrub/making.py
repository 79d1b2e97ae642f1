"""A capture without secrets and people out of another one: written, looked through, and only then kept."""

import json
import math
import os
import secrets
import sqlite3
from collections import Counter
from collections.abc import Callable, Collection, Iterator, Mapping
from contextlib import closing
from dataclasses import dataclass
from itertools import islice
from pathlib import Path

from inspector import __version__
from inspector.errors import CaptureError, UsageError
from inspector.garbage import without_collector
from inspector.leaving import tidily
from inspector.model import Happening, Opened, Payload
from inspector.protocol.registry import Registry
from inspector.scrub.kinds import Kind
from inspector.scrub.payloads import Rewriter
from inspector.scrub.pseudonyms import KEY_BYTES, Pseudonyms
from inspector.scrub.recoding import Recoder
from inspector.scrub.scrubber import Scrubbing
from inspector.scrub.search import Leak, Search, in_capture
from inspector.session.redact import digest
from inspector.store.file import check_target, passing_file
from inspector.store.reader import Reader, explained, stored_happenings
from inspector.store.writer import BULK_BATCH, Writer
from inspector.wire.decoder import read_payload

MADE_BY = "gwinspect scrub"
# Shards of a bot for which ids keep their remainder; above it a guild's shard is not kept.
_MOST_SHARDS = 8192
# Identifies and resumes that are looked into.
_MOST_LOGINS = 5000
# Leaks that are told.
_TOLD = 5

Report = Callable[[int, int], None]
"""Is told how much is done, and how much there is."""


@dataclass(frozen=True, slots=True)
class Key:
    """What decides which value becomes which. With one key, several captures stay comparable."""

    secret: bytes
    shards: int = 0
    """By which ids keep their remainder; 0: as the first capture has it."""

    @classmethod
    def load(cls, path: Path) -> "Key":
        """Read a key, or make one where there is no file yet. Raises UsageError, CaptureError."""
        try:
            data = path.read_bytes()
        except FileNotFoundError:
            return cls(secrets.token_bytes(KEY_BYTES))
        except OSError as error:
            raise CaptureError(f"cannot read the key {path}: {error.strerror or error}") from error
        try:
            found = json.loads(data)
            secret, shards = bytes.fromhex(found["scrub_key"]), found["shards"]
            if len(secret) == KEY_BYTES and type(shards) is int and 0 <= shards <= _MOST_SHARDS:
                return cls(secret, shards)
        except (ValueError, TypeError, KeyError, RecursionError):
            pass
        raise UsageError(f"{path} is not a key of `gwinspect scrub`; name a file that does not exist, to make one")

    def save(self, path: Path) -> None:
        """Write it where there is none yet, for its owner's eyes only. Raises CaptureError."""
        text = json.dumps({"scrub_key": self.secret.hex(), "shards": self.shards})
        try:
            with open(os.open(path, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o600), "w", encoding="utf-8") as file:
                file.write(text + "\n")
        except FileExistsError:
            return
        except OSError as error:
            raise CaptureError(f"cannot write the key {path}: {error.strerror or error}") from error


@dataclass(frozen=True, slots=True)
class Scrubbed:
    """What came of it."""

    counts: Mapping[Kind, int]
    """How many values of each kind were replaced."""
    different: Mapping[str, int]
    """How many different ones that were."""
    events: int
    key: Key


class LeakError(CaptureError):
    """Something that was taken out is still in what was made, so it was not kept."""


def scrub(
    source: Path,
    target: Path | None,
    registry: Registry,
    *,
    key: Key | None = None,
    shift_ms: int | None = None,
    keep: Collection[Kind] = (),
    report: Report = lambda done, total: None,
) -> Scrubbed:
    """Make the capture `target` of the capture `source`; None: only count what would be replaced.

    `shift_ms`: by how much to move all times; else those of ids and in payloads are moved within their day, those of
    messages not at all. `keep`: what is to stay. Raises CaptureError, or `LeakError`, and then leaves
    `target` as it is.
    """
    with closing(Reader(source, reveal=True)) as reader:
        key = key or Key(secrets.token_bytes(KEY_BYTES))
        if not key.shards:
            key = Key(key.secret, _shards(reader))
        pseudonyms = Pseudonyms(key.secret, shards=key.shards, shift_ms=shift_ms)
        rewriter = Rewriter(registry, pseudonyms, keep)
        rewriter.lengths = _token_lengths(reader)
        happenings = Recoder(Scrubbing(registry, rewriter)).all(_told(reader, report))
        if target is None:
            for _ in happenings:
                pass
            return _result(rewriter, 0, key)
        if not target.exists():
            check_target(target)
        try:
            with passing_file(target.with_name(f"{target.name}.part")) as part:
                events = _write(part, happenings, registry, reader, keep)
                pseudonyms.forget_given()
                _check(part, Search(pseudonyms.taken, rewriter.vocabulary | pseudonyms.made))
                os.replace(part, target)
        except OSError as error:
            raise CaptureError(f"{target} cannot be written: {error.strerror or error}") from error
    return _result(rewriter, events, key)


def _result(rewriter: Rewriter, events: int, key: Key) -> Scrubbed:
    taken = {kind: len(values) for kind, values in rewriter.pseudonyms.taken.items()}
    return Scrubbed(Counter(rewriter.counts), taken, events, key)


def _told(reader: Reader, report: Report) -> Iterator[Happening]:
    with explained(reader.path):
        total = reader.db.execute("select count(*) from frame").fetchone()[0]
    done = 0
    batches = stored_happenings(reader.db)
    while True:
        with explained(reader.path):
            batch = next(batches, None)
        if batch is None:
            return
        yield from batch
        done += len(batch)
        report(done, total)


@tidily()
def _write(
    part: Path, happenings: Iterator[Happening], registry: Registry, reader: Reader, keep: Collection[Kind]
) -> int:
    events = 0
    try:
        writer = Writer(part, registry, made_by=MADE_BY, keep_secrets=True, bulk=True)
        places: list[int] = []
        try:
            with without_collector():
                while batch := list(islice(happenings, BULK_BATCH)):
                    places += [each.recording for each in batch if isinstance(each, Opened)]
                    events += len(writer.write(batch))
            writer.take_over(_about(reader, places, keep), ())
            events += len(writer.finish())
        except BaseException:
            writer.abandon()
            raise
    except sqlite3.Error as error:
        raise CaptureError(f"{part} cannot be written: {error}") from error
    return events


def _about(reader: Reader, places: list[int], keep: Collection[Kind]) -> dict[str, str]:
    """Return what the capture is to say of its making. What its source said of files is left out: it names them."""
    said = {"version": __version__, "kept": sorted(keep)}
    about = {"scrubbed": json.dumps(said)}
    meta = reader.meta()
    if "max_concurrency" in meta:
        about["max_concurrency"] = str(meta["max_concurrency"])
    if "files" in meta:
        about["files"] = json.dumps([f"recording {number}" for number in range(1, max(places, default=0) + 2)])
        about["file_of"] = json.dumps(places)
    return about


def _check(part: Path, search: Search) -> None:
    """Raise `LeakError` where something that was taken out is still there."""
    leaks: list[Leak] = list(islice(in_capture(part, search), 1000))
    if not leaks:
        return
    found = Counter((leak.kind, leak.form, leak.where) for leak in leaks)
    told = "; ".join(f"{kind} ({form}) in {where}" for (kind, form, where), _ in found.most_common(_TOLD))
    raise LeakError(
        f"{len(leaks):,} values that were to be replaced are still there, so nothing was written: {told}. This is a "
        "fault of gwinspect; please report it with these words"
    )


def _token_lengths(reader: Reader) -> dict[str, int]:
    """Return how long tokens are, by digest: what Discord tells of session starts names them by that alone."""
    lengths: dict[str, int] = {}
    if not reader.start_limits():
        return lengths
    with explained(reader.path):
        asked = "select id from event where plane = 'gateway' and op in (2, 6) and from_client limit ?"
        rows = reader.db.execute(asked, (_MOST_LOGINS,)).fetchall()
    for event in (event for (row,) in rows for event in reader.events(row - 1, 1)):
        what = read_payload(event.plane, event.encoding or "json", event.payload or b"")
        match what:
            case Payload(d={"token": str(token)}):
                lengths[digest(token)] = len(token)
    return lengths


def _shards(reader: Reader) -> int:
    """Return a number by which ids have to keep their remainder for each guild to stay on its shard."""
    with explained(reader.path):
        found = reader.db.execute("select distinct shard from connection where shard is not null").fetchall()
    counts = {int(count) for (shard,) in found if (count := str(shard).rpartition("/")[2]).isdigit() and count != "0"}
    shards = math.lcm(*counts) if counts else 1
    return shards if shards <= _MOST_SHARDS else max(counts)
