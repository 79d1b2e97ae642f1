"""The report as a file: well-formed, inert, complete, within its bounds, and true to what other commands say."""

import json
import re
import sqlite3
from contextlib import closing
from datetime import UTC
from itertools import pairwise
from pathlib import Path

import pytest

from inspector.analysis.diagnosis import diagnose
from inspector.export.html.embedded import MOST_BODY, Embedded, body_text, kept_rows
from inspector.export.html.page import asset, page, policy
from inspector.protocol.registry import default
from inspector.report import cells
from inspector.report.recording import Recording
from inspector.store.writer import Writer
from inspector.words import clock
from tests.conversation import SESSION, TOKEN, Conversation, dispatch, usual
from tests.export.html import expected
from tests.export.html.reading import Read

SAMPLES = sorted((Path(__file__).parents[3] / "sample_captures").glob("*.gwcap"))
BY_NAME = {path.stem: path for path in SAMPLES}
# What would break out of where it is put, or cannot be seen.
HOSTILE = (
    "</script><script>alert(1)</script>",
    "\"'><img src=x onerror=alert(1)>",
    "</style></title></textarea>",
    "<!--",
    "]]>",
    "&lt;b&gt;&amp;",
    "\u202egnp.exe\u2066",
    "a\u2028b\u2029c",
    "\x1b[31mred\x07",
    "${alert(1)}{{7*7}}",
    "javascript:alert(1)",
    "zero\u200bwidth",
)
INVISIBLE = re.compile("[\x00-\x08\x0b-\x1f\x7f\u200b\u2028-\u202e\u2060-\u206f\ud800-\udfff]")


def made(path: Path, *names: str, reveal: bool = False, payload_bytes: int = 10_000_000) -> Read:
    with closing(Recording(path, default(), reveal=reveal)) as recording:
        return Read(b"".join(page(recording, names or [path.name], payload_bytes=payload_bytes)))


def written(path: Path, talk: Conversation) -> Path:
    writer = Writer(path, default(), made_by="test", keep_secrets=True)
    writer.write(talk.happenings)
    writer.finish()
    return path


@pytest.fixture(scope="module", params=SAMPLES, ids=lambda path: path.stem)
def sample(request: pytest.FixtureRequest) -> tuple[Path, Read]:
    path: Path = request.param
    return path, made(path)


@pytest.fixture(scope="module")
def hostile(tmp_path_factory: pytest.TempPathFactory) -> Read:
    """Everything that an end or a file may name holds markup."""
    talk = usual()
    for number, text in enumerate(HOSTILE, 10):
        guild = {"id": str(number), "name": text, "unavailable": text}
        talk.server(dispatch("GUILD_CREATE", guild, number))
        author = {"id": "5", "username": text}
        talk.server(dispatch("MESSAGE_CREATE", {"content": text, "author": author, text: text}, number))
        talk.server(dispatch(text, {text: [text]}, number))
        talk.client({"op": text, "d": text})
    talk.closes(4999, reason="".join(HOSTILE[:3]))
    path = written(tmp_path_factory.mktemp("hostile") / "x.gwcap", talk)
    return made(path, f"{HOSTILE[0]}.gwcap", HOSTILE[1])


def test_every_element_is_closed_in_its_turn(sample: tuple[Path, Read], hostile: Read) -> None:
    assert sample[1].unbalanced == []
    assert hostile.unbalanced == []


def test_nothing_is_loaded_and_nothing_runs_but_its_own(sample: tuple[Path, Read], hostile: Read) -> None:
    for read in (sample[1], hostile):
        allowed = {"charset", "http-equiv", "content", "name"}
        for tag, found in read.elements:
            assert not [name for name in found if name.startswith("on") or name in ("style", "src", "srcset", "action")]
            assert tag not in ("link", "img", "iframe", "object", "embed", "base", "foreignobject")
            assert tag != "meta" or set(found) <= allowed
            assert tag != "script" or found in ({}, {"type": "text/plain", **found})
        assert all(re.fullmatch(r"#[a-z-]+|#r\d+", link) for link in read.links)
        assert (read.style, read.script) == (asset("style.css"), asset("script.js"))
        assert not re.search(r"https?://|url\(|@import|innerHTML|eval\(", read.style + read.script)


def test_the_policy_allows_the_style_and_the_script_by_their_hashes(sample: tuple[Path, Read]) -> None:
    (content,) = [found["content"] for _, found in sample[1].elements if found.get("http-equiv")]
    assert content == policy(sample[1].style, sample[1].script)
    assert content.startswith("default-src 'none'; style-src 'sha256-")
    assert "unsafe" not in content


def test_markup_and_what_cannot_be_seen_is_written_out(hostile: Read) -> None:
    assert {tag for tag, _ in hostile.elements} <= {tag for path in SAMPLES[:1] for tag, _ in made(path).elements}
    assert INVISIBLE.findall(hostile.text) == []
    assert HOSTILE[0] in hostile.said["header"]
    assert "\\u202egnp.exe" in hostile.text
    summaries = " ".join(row["summary"] for row in hostile.rows.values())
    assert HOSTILE[1] in summaries
    names = {row["name"] for row in hostile.rows.values()}
    assert HOSTILE[0] in names


def test_its_cases_are_those_of_diagnose(sample: tuple[Path, Read]) -> None:
    path, read = sample
    diagnosis = diagnose(path)
    said = " ".join(read.said["cases"].split())
    places = [said.find(case.name) for case in diagnosis.cases]
    assert -1 not in places
    for case in diagnosis.cases:
        verdict = diagnosis.verdict_of(case.lead)
        assert " ".join((verdict.cause if verdict else case.lead.finding.text).split()) in said
    heads = [found["class"] for tag, found in read.elements if tag == "article" and "case" in (found["class"] or "")]
    assert heads == [f"case {case.severity.name.lower()}" for case in diagnosis.cases]


def test_every_link_leads_to_a_row_that_is_there_without_a_script_too(sample: tuple[Path, Read]) -> None:
    read = sample[1]
    assert [link for link in read.links if link[1:] not in read.ids] == []
    assert read.linked <= read.rows.keys()


def test_its_rows_are_those_of_show(sample: tuple[Path, Read]) -> None:
    path, read = sample
    with closing(Recording(path, default())) as recording:
        last = recording.reader.last()
        assert [*read.rows] == [*range(1, last + 1)]
        for shown in recording.lines(range(1, last + 1)):
            event, row = shown.event, read.rows[shown.event.n]
            assert (row["at_us"], row["connection"]) == (event.at_ns // 1000, event.connection)
            assert (row["plane"], row["kind"]) == (event.plane, event.kind)
            assert row["summary"][:500] == cells.summary(shown)[:500]
            assert [found[1] for found in row["findings"]] == [found.rule for found in event.findings]
            assert f"r{event.n}" not in read.ids or clock(event.at_ns, UTC) in read.said["plain"]


def test_payloads_are_whole_and_keep_every_digit(sample: tuple[Path, Read]) -> None:
    path, read = sample
    expected = path.parent / "expected" / f"{path.stem}.jsonl"
    shown = {row["n"]: row for row in map(json.loads, expected.read_text("utf-8").splitlines())}
    for row, text in read.payloads.items():
        found = json.loads(text)
        assert text.isprintable() or not INVISIBLE.search(text)
        if "d" in found and read.rows[row]["payload"] == 1:
            assert found["d"] == shown[row]["d"]
    with_body = {n for n, row in shown.items() if row["kind"] == "payload" and "d" in row}
    assert with_body <= read.payloads.keys()


def test_secrets_are_masked_unless_they_are_asked_for(tmp_path: Path) -> None:
    path = written(tmp_path / "x.gwcap", usual())
    masked, revealed = made(path), made(path, reveal=True)
    for secret in (TOKEN, SESSION):
        assert secret not in masked.text
        assert secret in revealed.text
    assert "masked" in masked.said["header"]
    assert "shows secrets" in revealed.said["header"]


def test_a_path_of_the_machine_is_not_in_it(tmp_path: Path) -> None:
    writer = Writer(tmp_path / "x.gwcap", default(), made_by="test", source="/home/someone/secret place/flows.mitm")
    writer.write(usual().happenings)
    writer.finish()
    read = made(tmp_path / "x.gwcap")
    assert "flows.mitm" in read.said["recorded"]
    assert "someone" not in read.text
    assert str(tmp_path) not in read.text


def test_payloads_are_left_out_beyond_their_room_but_for_those_that_matter(tmp_path: Path) -> None:
    talk = usual()
    for number in range(10, 300):
        talk.server(dispatch("MESSAGE_CREATE", {"content": "x" * 1000}, number))
    path = written(tmp_path / "x.gwcap", talk)
    whole, some, none = (made(path, payload_bytes=room) for room in (10_000_000, 50_000, 0))
    assert len(whole.payloads) > 290
    last = max(whole.rows)
    assert 30 < len(some.payloads) < 60
    assert last in some.payloads
    assert some.linked & whole.payloads.keys() <= some.payloads.keys()
    assert "payloads are left out" in some.said["left-out"]
    assert not any(none.rows[row]["kind"] == "payload" for row in none.payloads)
    assert "left-out" not in whole.ids


def test_numbers_without_a_row_are_passed_over(tmp_path: Path) -> None:
    path = tmp_path / "x.gwcap"
    path.write_bytes(BY_NAME["blocked-loop"].read_bytes())
    with closing(sqlite3.connect(path)) as db:
        db.execute("delete from event where id between 10 and 15")
        db.commit()
    with closing(Recording(path, default())) as recording:
        blocks = Embedded(recording, [range(1, 12), range(13, 36)], [], 1_000_000).blocks()
        read = Read("".join(blocks).encode())
    assert [*read.rows] == [*range(1, 10), *range(16, 36)]


def test_a_large_payload_keeps_its_shape() -> None:
    value = {"d": {"guilds": [{"id": str(number), "name": "x" * 200} for number in range(5000)], "v": 10}}
    text, whole = body_text(value)
    found = json.loads(text)["d"]
    assert not whole
    assert len(text) <= MOST_BODY
    assert found["v"] == 10
    assert found["guilds"][0]["id"] == "0"
    assert "more items" in found["guilds"][-1]


@pytest.mark.parametrize(
    "value", [["x" * 100_000], [b"\xff" * 100_000], {f"{n}": n for n in range(10**5)}, [[["y" * 999] * 99] * 99]]
)
def test_no_payload_is_larger_than_its_bound(value: object) -> None:
    text, whole = body_text(value)
    assert not whole
    assert len(text) <= MOST_BODY
    json.loads(text)


def test_nesting_is_cut_where_it_is_deep() -> None:
    value: object = "x" * MOST_BODY
    for _ in range(900):
        value = [value]
    assert b"nested deeper" in body_text(value)[0]


def test_of_a_long_recording_the_ends_and_what_is_linked_to_are_kept() -> None:
    kept = kept_rows(1_000_000, [500_000, 500_050, 999_990], 10_000)
    assert sum(map(len, kept)) <= 10_000
    assert kept[0].start == 1
    assert kept[-1].stop == 1_000_001
    assert any(500_000 in rows and 500_050 in rows for rows in kept)
    assert all(one.stop < other.start for one, other in pairwise(kept))


def test_all_of_a_short_recording_is_kept() -> None:
    assert kept_rows(100, [5], 100) == [range(1, 101)]


def test_rows_that_are_left_out_are_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    talk = usual()
    for _ in range(3000):
        talk.server({"op": 11})
    path = written(tmp_path / "x.gwcap", talk)
    whole = made(path)
    monkeypatch.setattr("inspector.export.html.page.kept_rows", lambda last, linked: kept_rows(last, linked, 1000))
    read = made(path)
    assert len(read.rows) <= 1000
    assert {1, max(whole.rows)} <= read.rows.keys()
    assert read.linked <= read.rows.keys()
    assert f"of {max(whole.rows):,} rows" in read.said["left-out"]


@pytest.mark.parametrize("name", expected.NAMES)
def test_it_says_what_it_said(name: str) -> None:
    assert expected.words(name) == (expected.FOLDER / f"{name}.txt").read_text("utf-8")


def test_its_help_names_every_field_of_the_filter_and_every_key() -> None:
    script = asset("script.js")
    fields = re.findall(r"^    (\w+): \(text\) =>", script, re.MULTILINE)
    keys = re.findall(r"^    (?:\"(.)\"|(\w+)): (?:\(\) =>|switchTheme)", script, re.MULTILINE)
    assert len(fields) > 9
    assert len(keys) > 8
    read = made(BY_NAME["resume"])
    words = read.said["timeline"]
    assert [name for name in fields if f"{name}:" not in words] == []
    assert [key for quoted, plain in keys if (key := (quoted or plain).replace("Escape", "Esc")) not in words] == []
