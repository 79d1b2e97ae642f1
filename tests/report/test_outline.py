import pytest
from hypothesis import given
from hypothesis import strategies as st

from inspector.inert import inert
from inspector.protocol.registry import default
from inspector.report import outline
from inspector.report.outline import Outline, body, count_words, path_text, preview, said, wrapped
from inspector.report.present import Presenter
from tests.conversation import usual
from tests.fed import Fed, fed

TEXTS = st.text(st.characters(exclude_categories=()), max_size=200)
PLAIN = st.none() | st.booleans() | st.integers() | st.just(-(1 << 5_000)) | st.floats() | TEXTS | st.binary()
VALUES = st.recursive(
    PLAIN, lambda inner: st.lists(inner, max_size=6) | st.dictionaries(TEXTS, inner, max_size=6), max_leaves=40
)


def texts(shown: Outline) -> list[str]:
    """The lines, as indented text."""
    return [
        "  " * line.depth + (line.label + " " if line.label else "")
        + (str(line.value) if line.sort in ("text", "hex", "words", "more") else said(line.value))
        for line in shown.lines
    ]  # fmt: skip


def labels(shown: Outline) -> list[str]:
    return [line.label for line in shown.lines]


def test_the_outermost_level_is_unfolded_at_first() -> None:
    many = {f"key{number}": number for number in range(30)} | {"inner": {"deep": [1, {"deeper": 2}]}}
    assert labels(Outline({"d": many})) == ["d", *many]


def test_a_small_payload_is_unfolded_whole() -> None:
    shown = Outline({"d": {"token": "x", "properties": {"os": "linux", "device": {"name": "a", "of": {"b": 1}}}}})
    assert labels(shown) == ["d", "token", "properties", "os", "device", "name", "of"]


def test_what_its_preview_says_whole_stays_folded() -> None:
    shown = Outline({"d": {"shard": [0, 1]}})
    assert [line.folded for line in shown.lines] == [False, True]
    assert said(shown.lines[1].value) == "[0, 1]"


def test_empty_objects_and_lists_have_nothing_to_unfold() -> None:
    assert [line.folded for line in Outline({"d": {"a": {}, "b": []}}).lines] == [False, None, None]


def test_folding_takes_the_lines_below_away_and_unfolding_brings_them_back() -> None:
    shown = Outline({"d": {"a": {"b": {"c": 1}}, "z": 2}})
    whole = labels(shown)
    shown.toggle(1)
    assert labels(shown) == ["d", "a", "z"]
    shown.toggle(1)
    assert labels(shown) == whole


def test_what_was_unfolded_is_so_in_the_next_payload_with_the_same_choices() -> None:
    many = {f"key{number}": number for number in range(30)}
    first = Outline({"d": {"author": {"id": "1", "name": {"x": 1}}, **many}})
    first.toggle(1)
    second = Outline({"d": {"author": {"id": "2", "other": 3}, **many}}, first.choices)
    assert labels(second)[:4] == ["d", "author", "id", "other"]


def test_a_long_list_is_shown_in_portions() -> None:
    shown = Outline({"d": list(range(1200))})
    assert len(shown.lines) == 1 + outline.PORTION + 1
    assert (shown.lines[-1].sort, shown.lines[-1].value) == ("more", 700)
    shown.toggle(len(shown.lines) - 1)
    assert shown.lines[-1].value == 200
    shown.toggle(len(shown.lines) - 1)
    assert shown.lines[-1].label == "1199"


def test_a_long_text_unfolds_into_its_lines() -> None:
    shown = Outline({"d": {"content": "one\ntwo " + "word " * 40}})
    assert shown.lines[1].folded
    shown.toggle(1)
    pieces = [line.value for line in shown.lines if line.sort == "text"]
    assert pieces[0] == "one"
    assert pieces[1].startswith("two word")
    assert all(len(piece) <= 76 for piece in pieces)
    assert {line.place for line in shown.lines[2:]} == {("d", "content")}


def test_bytes_unfold_into_a_hexdump() -> None:
    shown = Outline({"d": b"MLS\x00"})
    shown.toggle(0) if shown.lines[0].folded else None
    assert shown.lines[1].value.startswith("00000000  4d 4c 53 00")


def test_what_several_words_are_said_of_unfolds_into_them() -> None:
    shown = Outline({"d": {"intents": 3, "large": 250}}, spelling=lambda value, path: ["A", "B"] if value == 3 else [])
    assert [line.folded for line in shown.lines] == [False, True, None]
    shown.toggle(1)
    assert [(line.sort, line.value) for line in shown.lines[2:4]] == [("words", "A"), ("words", "B")]


def test_only_what_is_unfolded_is_looked_at() -> None:
    class Watched(list[int]):
        looked_at = 0

        def __iter__(self):  # type: ignore[no-untyped-def]
            type(self).looked_at += 1
            return super().__iter__()

    big = Watched(range(100_000))
    Outline({"d": {f"key{number}": 0 for number in range(30)} | {"big": big}})
    assert Watched.looked_at == 0


def test_unfolding_everything_stops_where_there_is_no_more_room() -> None:
    guilds = [{"id": str(number), "members": [{"user": {"id": "1"}}] * 200} for number in range(100)]
    shown = Outline({"d": {"guilds": guilds}})
    assert not shown.unfold_below(0)
    assert outline.MAX_LINES // 2 < len(shown.lines) <= outline.MAX_LINES
    # The upper levels come first, so that all of them can be seen.
    assert sum(line.path[:2] == ("d", "guilds") and len(line.path) == 3 for line in shown.lines) == 100


def test_choices_of_one_payload_do_not_make_another_endless() -> None:
    choices = {("d", number): True for number in range(500)} | {("d",): True}
    assert len(Outline({"d": [list(range(500))] * 500}, choices).lines) <= outline.MAX_LINES + outline.PORTION + 1


def test_a_line_is_found_by_its_path_or_by_what_it_is_in() -> None:
    shown = Outline({"d": {"author": {"id": "1", "name": "ada", "of": {"x": 1}}}})
    assert shown.lines[shown.line_of(("d", "author", "name"))].label == "name"
    shown.toggle(1)
    assert shown.lines[shown.line_of(("d", "author", "name"))].label == "author"
    assert shown.line_of(("elsewhere", 3)) == 0


def test_a_line_knows_what_it_is_in() -> None:
    shown = Outline({"d": {"a": {"b": {"c": 1, "d": 2}}}})
    at = shown.line_of(("d", "a", "b"))
    assert shown.lines[shown.parent(at)].label == "a"
    assert shown.parent(0) == 0


def test_a_value_is_found_by_its_path() -> None:
    shown = Outline({"d": {"list": [{"x": 5}]}})
    assert shown.value_at(("d", "list", 0, "x")) == 5
    assert not shown.value_at(("d", "list", 7))
    assert not shown.value_at(("d", "list", 0, "x", "y"))


@pytest.mark.parametrize(
    ("value", "text"),
    [
        ({}, "{}"),
        ([], "[]"),
        ([0, 1], "[0, 1]"),
        ([{"a": 1}] * 41, "[41 items]"),
        ([{"a": 1}], "[1 item]"),
        ({"username": "alice", "id": "80351110224678912"}, '{id: 8035…12, username: "alice"}'),
        ({"x": {"y": 1}, "z": [1, 2]}, "{x: {…}, z: [2]}"),
        ({"k" * 80: "v" * 30}, "{1 key}"),
    ],
)
def test_previews(value: object, text: str) -> None:
    assert preview(value) == text


def test_a_preview_leaves_out_what_has_no_room() -> None:
    text = preview({f"key{number}": number for number in range(50)}, 40)
    assert len(text) <= 44
    assert text.endswith("…}")


def test_paths_read_as_in_filters() -> None:
    assert path_text(("d", "guilds", 0, "id")) == "d.guilds.0.id"
    assert path_text(("d", "a.b", "c d", "\x1b")) == 'd."a.b"."c d"."\\x1b"'


@pytest.mark.parametrize(
    ("value", "words"),
    [
        ({"a": 1}, "object, 1 key"),
        ([1, 2], "list, 2 items"),
        ("short", "string"),
        ("x" * 100, "string, 100 characters"),
        (b"ab", "bytes, 2 B"),
        (None, "null"),
        (True, "boolean"),
        (1.5, "number"),
    ],
)
def test_what_a_value_is_in_words(value: object, words: str) -> None:
    assert count_words(value) == words


def test_every_kind_of_row_has_its_body() -> None:
    registry = default()
    made = fed(usual().junk(b"\xff").closes().happenings)
    found = []
    for event in made.rows:
        shown = Presenter(registry).show(event, _Rows(made))
        found.append((event.kind.value, list(body(shown))))
    assert ("open", ["open"]) in found
    assert ("payload", ["d"]) in found
    assert ("close", ["close"]) in found
    assert ("undecoded", ["undecoded"]) in found


class _Rows:
    def __init__(self, made: Fed) -> None:
        self.names = made.names
        self.connection = made.changed.__getitem__


def test_a_number_of_many_digits_says_how_long_it_is() -> None:
    assert said(1 << 20_000) == "integer of 20,001 bits"


@given(TEXTS, st.integers(2, 90))
def test_wrapped_lines_are_inert_and_lose_nothing_but_spaces(text: str, width: int) -> None:
    lines = list(wrapped(text, width))
    assert all(inert(line) == line for line in lines)
    assert "".join(lines).replace(" ", "") == "".join(map(inert, text.split("\n"))).replace(" ", "")


@given(VALUES)
def test_any_value_has_lines_that_are_inert(value: object) -> None:
    shown = Outline({"d": value})
    shown.unfold_below(0)
    # Texts and bytes too.
    for number in reversed(range(min(len(shown.lines), 30))):
        if shown.lines[number].folded:
            shown.toggle(number)
    for line in shown.lines:
        for text in (
            line.label,
            said(line.value),
            said(line.value, 20),
            path_text(line.place),
            count_words(line.value),
        ):
            assert inert(text) == text
        assert len(line.label) <= 61
    assert len(said(value)) < 200


@given(VALUES)
def test_folding_and_unfolding_again_changes_nothing(value: object) -> None:
    shown = Outline({"d": value})
    shown.unfold_below(0)
    whole = texts(shown)
    for number in range(len(shown.lines)):
        if shown.lines[number].folded is False:
            shown.toggle(number)
            shown.toggle(number)
            assert texts(shown) == whole


@given(VALUES)
def test_folding_all_then_unfolding_all_gives_the_same_lines(value: object) -> None:
    shown = Outline({"d": value})
    shown.unfold_below(0)
    whole = texts(shown)
    shown.fold_all()
    assert all(line.depth <= 1 for line in shown.lines)
    shown.unfold_below(0)
    assert texts(shown) == whole
