"""Two hundred names, ids and texts of people, planted wherever one may stand: none is in what is made to be shared."""

import base64
import json
import zipfile
from collections.abc import Iterator
from itertools import product
from pathlib import Path
from random import Random
from typing import Any

import pytest

from inspector.export.formats import WHOLE
from inspector.model import Happening
from inspector.protocol.registry import default
from inspector.scrub.making import scrub
from tests.cli.conftest import Run, run  # noqa: F401
from tests.conversation import DIALECTS, HELLO, Conversation, dispatch, identify, ready
from tests.scrub.story import story, written
from tests.scrub.test_scrub import KEY, everything

_SYLLABLES = ("xan", "thoq", "brix", "zyl", "wuj", "kvee", "pfor", "grom", "dwyl", "jupz")
# Places that a name or a text may have in a message; each gives the body of an event.
PLACES: tuple[str, ...] = (
    "author.username",
    "author.global_name",
    "member.nick",
    "content",
    "topic",
    "embeds.0.title",
    "embeds.0.fields.0.value",
    "activities.0.state",
    "quite_new.inside",
    "attachments.0.filename",
    "properties.device",
    "guild.name",
    "channels.0.name",
    "nonce",
    "location",
)


def people(seed: int = 5, count: int = 200) -> list[str]:
    """Return names, texts and ids that stand nowhere else."""
    dice = Random(seed)
    found = []
    for number in range(count):
        word = "".join(dice.choice(_SYLLABLES) for _ in range(3))
        found.append(
            (
                f"{word.title()} {number}",
                f'{word} said: «ünder {number} ☃», "quoted"\n',
                str(1_100_000_000_000_000_000 + dice.randrange(10**16)),
                f"https://{word}{number}.invalid/{word}?who={word}",
                f"{word}.{number}@{word}.invalid",
            )[number % 5]
        )
    return found


PEOPLE = people()


def body(place: str, value: str) -> Any:
    """Return the body of an event with a value in a place."""
    made: Any = value
    for part in reversed(place.split(".")):
        made = [made] if part == "0" else {part: made}
    return made


def conversation(encoding: str, compression: str) -> Iterator[Happening]:
    """Yield a session in which all of them cross the wire, both ways."""
    talk = Conversation(encoding, compression).opens(
        headers={"user-agent": f"{PEOPLE[0]}/1.0 aiohttp/3.9", "origin": PEOPLE[3]}
    )
    talk.server(HELLO).client(identify(properties={"os": "linux", "browser": PEOPLE[5], "device": PEOPLE[6]}))
    talk.server(ready())
    for number, (person, place) in enumerate(zip(PEOPLE, list(PLACES) * 14, strict=False)):
        d = body(place, person) | {"id": PEOPLE[2], "mentions": [{"id": PEOPLE[7], "username": PEOPLE[number - 1]}]}
        talk.server(dispatch("MESSAGE_CREATE" if number % 3 else "QUITE_NEW", d, number + 2))
        talk.client({"op": 3 if number % 2 else 99, "d": body(place, person)})
    yield from talk.closes(4000, f"Bye, {PEOPLE[5]}", "client").happenings


def forms(value: str) -> Iterator[bytes]:
    """Yield how a value may be written."""
    yield value.encode()
    yield json.dumps(value)[1:-1].encode()
    yield value.encode().hex().encode()
    yield base64.b64encode(value.encode()).rstrip(b"=")[:-2]
    if value.isdigit():
        yield int(value).to_bytes(8)
        yield int(value).to_bytes(8, "little")


def left_in(data: bytes) -> list[str]:
    return [value for value in PEOPLE if any(form in data for form in forms(value))]


@pytest.mark.parametrize(("encoding", "compression"), DIALECTS)
def test_nobody_is_in_a_scrubbed_capture(encoding: str, compression: str, tmp_path: Path) -> None:
    before = written(tmp_path / "before.gwcap", conversation(encoding, compression), keep_secrets=True)
    assert len(left_in(everything(before))) == len(PEOPLE)
    scrub(before, tmp_path / "after.gwcap", default(), key=KEY)
    assert left_in(everything(tmp_path / "after.gwcap")) == []
    assert story(tmp_path / "after.gwcap") == story(before)


@pytest.mark.parametrize(("encoding", "compression"), list(product(["json"], ["zlib-stream"])))
def test_nobody_is_in_a_bundle_or_in_what_is_exported_of_it(
    encoding: str,
    compression: str,
    run: Run,  # noqa: F811
    tmp_path: Path,
) -> None:
    before = written(tmp_path / "before.gwcap", conversation(encoding, compression), keep_secrets=True)
    assert run("bundle", before, "-o", tmp_path / "bug.zip").code == 0
    with zipfile.ZipFile(tmp_path / "bug.zip") as archive:
        for name in archive.namelist():
            assert left_in(archive.read(name)) == [], name
        archive.extract("capture.gwcap", tmp_path)
    for name, write in WHOLE.items():
        assert left_in(b"".join(write(tmp_path / "capture.gwcap", default()))) == [], name
