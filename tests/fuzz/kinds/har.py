"""HAR files: damaged messages, JSON structure and bytes, as each program writes them that is known to.

Alone, with files of messages next to them, and with these in a zip archive; and as the network of a trace.
"""

import io
import zipfile
from random import Random
from typing import Any

from tests.fuzz import damage, talks
from tests.fuzz.mutant import Command, Mutant
from tests.fuzz.usage import steps_for
from tests.fuzz.writing import har_of

_CREATORS = ("WebInspector", "mitmproxy", "HTTP Toolkit", "Firefox", "Playwright")
_ERROR = {"type": "error", "time": 1_769_860_800.5, "opcode": -1, "data": "net::ERR \x1b]0;owned\x07\u202e"}


def make(dice: Random) -> Mutant:
    happenings, frames = talks.any_talk(dice), 0
    if dice.random() < 0.5:
        happenings, frames = talks.damaged(happenings, dice)
    tree: Any = har_of(happenings, dice.choice(_CREATORS))
    if dice.random() < 0.2:
        tree["log"]["creator"] = {"name": damage.text(dice), "version": damage.value(dice)}
    if dice.random() < 0.2:
        for entry in tree["log"]["entries"]:
            entry["_webSocketMessages"].append(dict(_ERROR, data=damage.text(dice)))
    form = dice.choice(("alone", "alone", "alone", "folder", "zip"))
    beside = {} if form == "alone" else _taken_out(tree, dice)
    if dice.random() < 0.6:
        tree = {"log": damage.structure(tree["log"], dice, 6)}
    is_trace = form == "zip" and dice.random() < 0.4
    data = _network(tree, dice) if is_trace else damage.json_of(tree, dice)
    if dice.random() < 0.35:
        data = damage.bytes_of(data, dice)
    if form == "zip":
        files = {"trace.trace": b"{}\n", "trace.network": data} if is_trace else {"har.har": data}
        data = _zipped({**files, **beside}, dice)
        return Mutant({"day.zip": data}, steps_for("day.zip", dice), frames)
    if form == "folder" and dice.random() < 0.7:
        steps = [step for step in steps_for(".", dice) if not (isinstance(step, Command) and step.stdin)]
        return Mutant({"day.har": data, **beside}, steps or [Command(("show", "."))], frames)
    return Mutant({"day.har": data, **beside}, steps_for("day.har", dice), frames)


def _network(tree: Any, dice: Random) -> bytes:
    """Return the entries as Playwright has them in a trace."""
    entries = tree["log"].get("entries") if isinstance(tree["log"], dict) else None
    listed = entries if isinstance(entries, list) else [entries]
    snapshots = ({"type": "resource-snapshot", "snapshot": each} for each in listed)
    return b"".join(damage.json_of(each, dice) + b"\n" for each in snapshots)


def _taken_out(tree: Any, dice: Random) -> dict[str, bytes]:
    """Take the messages out of the entries, as Playwright does, and return the files with them."""
    files: dict[str, bytes] = {}
    for number, entry in enumerate(tree["log"]["entries"]):
        name = f"{number:032x}.jsonl"
        lines = b"".join(damage.json_of(each, dice) + b"\n" for each in entry.pop("_webSocketMessages"))
        files[name] = damage.bytes_of(lines, dice) if dice.random() < 0.3 else lines
        entry["response"]["content"] = {"size": -1, "mimeType": "x-unknown", "_file": name}
    if files and dice.random() < 0.1:
        del files[dice.choice(list(files))]
    return files


def _zipped(files: dict[str, bytes], dice: Random) -> bytes:
    out = io.BytesIO()
    method = dice.choice((zipfile.ZIP_DEFLATED, zipfile.ZIP_STORED))
    with zipfile.ZipFile(out, "w", method) as archive:
        for name, data in files.items():
            archive.writestr(zipfile.ZipInfo(name), data, method)
    return damage.bytes_of(out.getvalue(), dice) if dice.random() < 0.5 else out.getvalue()
