import pytest
from textual.app import App, ComposeResult
from textual.pilot import Pilot
from textual.widgets import Input

from inspector.tui.look import UNICODE
from inspector.tui.widgets.input.prompt import Prompt


class Bench(App[None]):
    """A prompt, with what it was answered."""

    def __init__(self, problem: str | None = None) -> None:
        super().__init__()
        self.prompt = Prompt(UNICODE)
        self.problem = problem
        self.answers: list[str] = []
        self.left = 0

    def compose(self) -> ComposeResult:
        yield Input(id="other")
        yield self.prompt

    def on_prompt_left(self) -> None:
        self.left += 1

    def answer(self, text: str) -> str | None:
        self.answers.append(text)
        return self.problem

    async def ask(self, pilot: Pilot[None], **more: str) -> None:
        self.prompt.ask("go to", self.answer, **more)
        await pilot.pause()

    @property
    def shown(self) -> str:
        strips = self.screen._compositor.render_strips()
        return "\n".join("".join(segment.text for segment in strip).rstrip() for strip in strips)


async def test_it_is_hidden_until_it_asks() -> None:
    app = Bench()
    async with app.run_test() as pilot:
        assert not app.prompt.region
        await app.ask(pilot, hint="a row or a time")
        assert app.prompt.region
        assert "go to" in app.shown
        assert "a row or a time" in app.shown
        assert app.prompt.has_focus_within


async def test_what_was_typed_is_handed_over_and_it_closes() -> None:
    app = Bench()
    async with app.run_test() as pilot:
        await app.ask(pilot)
        await pilot.press("4", "2", "enter")
        await pilot.pause()
        assert (app.answers, app.left) == (["42"], 1)
        assert not app.prompt.region


async def test_what_is_wrong_is_explained_and_asked_for_again() -> None:
    app = Bench("This is [no] row.")
    async with app.run_test() as pilot:
        await app.ask(pilot)
        await pilot.press("x", "enter")
        await pilot.pause()
        assert "This is [no] row." in app.shown
        assert app.prompt.has_focus_within
        assert app.left == 0
        app.problem = None
        await pilot.press("y", "enter")
        await pilot.pause()
        assert (app.answers, app.left) == (["x", "xy"], 1)


async def test_typing_on_takes_the_explanation_away() -> None:
    app = Bench("This is no row.")
    async with app.run_test() as pilot:
        await app.ask(pilot)
        await pilot.press("x", "enter", "y")
        await pilot.pause()
        assert "This is no row." not in app.shown


async def test_escape_leaves_without_an_answer() -> None:
    app = Bench()
    async with app.run_test() as pilot:
        await app.ask(pilot)
        await pilot.press("x", "escape")
        await pilot.pause()
        assert (app.answers, app.left) == ([], 1)
        assert not app.prompt.region


@pytest.mark.parametrize(
    ("keys", "answer"), [(["enter"], "old"), (["x", "enter"], "oldx"), (["backspace", "enter"], "ol")]
)
async def test_what_is_there_already_is_changed_at_its_end(keys: list[str], answer: str) -> None:
    app = Bench()
    async with app.run_test() as pilot:
        await app.ask(pilot, value="old")
        await pilot.press(*keys)
        await pilot.pause()
        assert app.answers == [answer]


async def test_the_next_question_begins_anew() -> None:
    app = Bench("This is no row.")
    async with app.run_test() as pilot:
        await app.ask(pilot, value="old")
        await pilot.press("enter")
        await pilot.pause()
        app.prompt.ask("search", lambda text: None)
        await pilot.pause()
        assert "search" in app.shown
        assert "old" not in app.shown
        assert "This is no row." not in app.shown


@pytest.mark.parametrize("label", ["[b]bold", "[@click=app.quit]x[/]"])
async def test_what_it_asks_for_is_no_markup(label: str) -> None:
    app = Bench()
    async with app.run_test() as pilot:
        app.prompt.ask(label, app.answer)
        await pilot.pause()
        assert label in app.shown
