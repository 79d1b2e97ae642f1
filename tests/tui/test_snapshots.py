"""The main screens look as they are kept in ``snapshots/``; `tests.tui.snapshots` says how to make them anew."""

import re
from pathlib import Path

import pytest

from tests.tui.snapshots import KEPT, SCENES, differences, made_with, runs, take, texts

# Textual is the same on every newer CPython.
pytestmark = pytest.mark.lowest


def kept(name: str) -> str:
    return (KEPT / f"{name}.svg").read_text("utf-8")


@pytest.mark.parametrize("name", SCENES)
async def test_the_screen_looks_as_it_is_kept(name: str, tmp_path: Path) -> None:
    new = await take(SCENES[name], tmp_path)
    found = differences(kept(name), new)
    if found:
        (tmp_path / f"{name}.svg").write_text(new, encoding="utf-8")
        anew = f"It is {tmp_path / name}.svg; if that is right: python -m tests.tui.snapshots {name}"
        pytest.fail("\n".join([f"{name} looks different.", *found, anew]), pytrace=False)


def test_every_picture_that_is_kept_has_a_scene() -> None:
    assert {path.stem for path in KEPT.iterdir()} == set(SCENES)


@pytest.mark.parametrize("name", SCENES)
def test_a_picture_names_no_host_to_load_from(name: str) -> None:
    # A link that stands on the screen is text, which loads nothing.
    drawn = re.sub(r"(<text [^>]*>)[^<]*", r"\1", kept(name))
    assert set(re.findall(r"https?://[^\"' <]+", drawn)) == {"http://www.w3.org/2000/svg"}
    assert "url(" not in re.sub(r"url\(#[\w-]+\)", "", kept(name))


@pytest.mark.parametrize("name", SCENES)
def test_a_picture_has_all_lines_of_its_screen(name: str) -> None:
    columns, lines = SCENES[name].size
    found = texts(kept(name))
    assert len(found) == lines
    assert max(map(len, found)) <= columns


def test_the_ascii_screen_is_ascii() -> None:
    assert all(line.isascii() for line in texts(kept("ascii")))


# How pictures are compared.


def test_a_picture_does_not_differ_from_itself() -> None:
    assert differences(kept("live"), kept("live")) == []


def test_a_letter_that_differs_is_told_with_its_line() -> None:
    found = differences(kept("live"), kept("live").replace(">READY&#160;", ">REAPY&#160;"))
    assert any("READY" in line for line in found if line.startswith("-"))
    assert any("REAPY" in line for line in found if line.startswith("+"))


def test_a_line_that_is_missing_is_told() -> None:
    cut = re.sub(r"<text .*line-20\)\">.*</text>", "", kept("live"))
    assert any(line.startswith("-") for line in differences(kept("live"), cut))


@pytest.mark.parametrize("old", ["fill: #6cb6ff", 'rect fill="#232834"'])
def test_colours_count_only_between_pictures_of_the_same_versions(old: str) -> None:
    svg = kept("live")
    assert old in svg
    other = svg.replace(old, re.sub("#......", "#123456", old))
    assert differences(svg, other)
    assert made_with(svg).startswith("Made with textual ")
    assert differences(svg, other.replace(made_with(svg), "Made with textual 99.0 and rich 99.0")) == []


def test_text_is_found_where_it_stands() -> None:
    svg = (
        '<svg xmlns="http://www.w3.org/2000/svg"><style>\n.t-r1 { fill: #fff }\n</style>'
        '<text class="t-title" x="9">title</text>'
        '<text class="t-r1" x="24.4" textLength="36.6" clip-path="url(#t-line-1)">a&#160;b</text>'
        '<text class="t-r1" x="0" textLength="12.2" clip-path="url(#t-line-3)">&lt;</text></svg>'
    )
    assert [(run.line, run.column, run.text, run.style) for run in runs(svg)] == [
        (1, 2, "a b", "fill: #fff"),
        (3, 0, "<", "fill: #fff"),
    ]
    assert texts(svg) == ["", "  a b", "", "<"]
