"""The voice screen: what it says of handshakes and of encryption, and where it leads."""

from pathlib import Path

import pytest
from textual.pilot import Pilot

from inspector.report.voice_words import short_user
from inspector.tui.app import GwinspectApp
from inspector.tui.look import ASCII, UNICODE
from inspector.tui.screens.main import MainScreen
from inspector.tui.screens.voice import VoiceScreen
from inspector.tui.widgets.voice.dave_track import DaveTrack
from inspector.tui.widgets.voice.transition_table import TransitionTable
from inspector.tui.widgets.voice.waterfall import Waterfall
from tests.conversation import Conversation
from tests.tui.conftest import Growing, screen_text, until
from tests.voice_call import TOKEN, asks, introduced, join, logged_in, together, voice, whole_call, written


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return written(tmp_path / "call.gwcap", whole_call())


def shown(app: GwinspectApp) -> str:
    return "\n".join(screen_text(app))


def line(app: GwinspectApp, words: str) -> str:
    return next(line for line in screen_text(app) if words in line)


async def on_voice(app: GwinspectApp, pilot: Pilot[None], row: int = 1) -> VoiceScreen:
    await until(pilot, lambda: isinstance(app.screen, MainScreen) and app.main.timeline.current)
    app.main.timeline.goto(row)
    await pilot.press("V")
    await until(pilot, lambda: isinstance(app.screen, VoiceScreen) and app.screen.calls.counted)
    await pilot.pause()
    assert isinstance(app.screen, VoiceScreen)
    return app.screen


async def test_a_handshake_is_a_line_for_each_step_over_both_sockets(path: Path) -> None:
    app = GwinspectApp(path, marks=UNICODE)
    async with app.run_test(size=(120, 40)) as pilot:
        await on_voice(app, pilot, 10)
        assert "established in 170 ms  client 90 ms  server 80 ms" in shown(app)
        assert line(app, "VOICE_SERVER_UPDATE").startswith("  main #1  ◀")
        asked, answered = line(app, "1 Select Protocol"), line(app, "4 Session Description")
        assert ("▶" in asked, "██" in asked, "+20 ms" in asked) == (True, True, True)
        assert ("◀" in answered, "░" in answered, answered.endswith("14")) == (True, True, True)
        # What comes after the handshake is off the axis.
        assert "→  +6.26 s" in line(app, "close 4014 Disconnected")
        # The row where one was is under the cursor.
        assert "Identify on voice #2, row 10, +10 ms after the step before" in shown(app)
        await pilot.press("end")
        await pilot.pause()
        assert "neither a move nor a kick" in shown(app)


async def test_tracks_have_epochs_members_transitions_and_what_was_noticed(path: Path) -> None:
    app = GwinspectApp(path, marks=UNICODE)
    async with app.run_test(size=(120, 40)) as pilot:
        await on_voice(app, pilot)
        epochs = line(app, "epochs")
        assert "┿━ epoch 2 ━━" in epochs
        assert "·····" in epochs
        assert epochs.endswith("━┥4014")
        assert line(app, "1180…00003").index("═") > line(app, "1180…00002").index("═")
        assert "1180…00001 client" in shown(app)
        assert "◆2○●" in line(app, "transitions")
        assert [char for char in line(app, "noticed") if char in "✕!"] == ["✕"]


async def test_the_cursor_goes_from_mark_to_mark_and_enter_to_the_row(path: Path) -> None:
    app = GwinspectApp(path, marks=UNICODE)
    async with app.run_test(size=(120, 40)) as pilot:
        screen = await on_voice(app, pilot)
        await pilot.press("tab", "right", "right")
        await pilot.pause()
        assert "transition 1: commit announced, leads to epoch 2 with 3 members, the client was never ready" in shown(
            app
        )
        await pilot.press("right")
        await pilot.pause()
        said = " ".join(shown(app).split())
        assert "transition 1: commit, executed, +2.11 s after it was announced, row 24" in said
        await pilot.press("plus", "plus")
        track = screen.query_one(DaveTrack)
        start, end = track.window
        assert end - start < 2_000_000_000
        await pilot.press("end")
        assert track.window[1] > end
        await pilot.press("0", "home", "right", "right", "enter")
        await until(pilot, lambda: app.screen is app.main and app.main.timeline.current == 23)


async def test_the_table_says_what_never_came(path: Path) -> None:
    app = GwinspectApp(path, marks=UNICODE)
    async with app.run_test(size=(80, 24)) as pilot:
        screen = await on_voice(app, pilot)
        await pilot.press("t", "tab", "down")
        await pilot.pause()
        assert not screen.query_one(DaveTrack).display
        cells = line(app, "never").split()
        assert cells[1:] == ["1", "commit", "23", "12:00:00.750", "never", "+2.11", "s", "2", "3"]
        assert "1180…00001, 1180…00002, 1180…00003" in " ".join(shown(app).split())
        await pilot.press("down", "enter")
        await until(pilot, lambda: app.screen is app.main and app.main.timeline.current == 25)


async def test_attempts_that_came_to_nothing_are_gone_through_one_by_one(tmp_path: Path) -> None:
    main, first = asks(logged_in()), introduced(voice()).closes(4017, "E2EE required", "server")
    main.waits(400).client(join())
    app = GwinspectApp(written(tmp_path / "a.gwcap", together(main, first)), marks=UNICODE)
    async with app.run_test(size=(120, 40)) as pilot:
        await on_voice(app, pilot)
        assert "handshake 1 of 2  voice #2  failed with close 4017" in shown(app)
        assert line(app, "no Ready").split()[-1] == "never"
        await pilot.press("right_square_bracket", "down")
        await pilot.pause()
        assert "handshake 2 of 2  no connection yet" in shown(app)
        assert "no VOICE_SERVER_UPDATE yet" in shown(app)
        assert "VOICE_STATE_UPDATE was due from the server" in shown(app)
        # What never came has no row, but what came before it has.
        await pilot.press("enter")
        await until(pilot, lambda: app.screen is app.main and app.main.timeline.current == 12)


async def test_a_client_s_own_close_has_no_name_of_discord_s(tmp_path: Path) -> None:
    main, first = asks(logged_in()), introduced(voice()).closes(4006, "", "client")
    app = GwinspectApp(written(tmp_path / "a.gwcap", together(main, first)), marks=UNICODE)
    async with app.run_test(size=(120, 40)) as pilot:
        await on_voice(app, pilot)
        assert "close 4006" in shown(app)
        assert "close 4006 Session" not in shown(app)


async def test_without_a_call_it_says_so(tmp_path: Path) -> None:
    app = GwinspectApp(written(tmp_path / "a.gwcap", logged_in().happenings), marks=UNICODE)
    async with app.run_test(size=(120, 40)) as pilot:
        await on_voice(app, pilot)
        await until(pilot, lambda: "No voice call yet" in shown(app))
        await pilot.press("right_square_bracket", "c", "t", "tab", "V")
        await until(pilot, lambda: app.screen is app.main)


async def test_a_call_that_goes_on_grows_and_the_cursor_stays(growing) -> None:
    capture: Growing = growing()
    happenings = whole_call()
    capture.add(happenings[:12])
    app = GwinspectApp(capture.path, marks=UNICODE)
    async with app.run_test(size=(120, 40)) as pilot:
        await on_voice(app, pilot, 9)
        assert "no Select Protocol yet" in shown(app)
        capture.add(happenings[12:])
        capture.finish()
        await until(pilot, lambda: "established in 170 ms" in shown(app))
        assert "Hello on voice #2, row 9" in shown(app)


@pytest.mark.parametrize("size", [(80, 24), (40, 10), (140, 50)])
async def test_plain_terminals_get_plain_marks(path: Path, size: tuple[int, int]) -> None:
    app = GwinspectApp(path, marks=ASCII)
    async with app.run_test(size=size) as pilot:
        screen = await on_voice(app, pilot)
        for keys in ("end", "tab", "end", "plus", "minus", "t", "tab", "down", "t", "pagedown", "question_mark"):
            await pilot.press(keys)
            for pane in (screen.query_one(Waterfall), screen.query_one(DaveTrack), screen.query_one(TransitionTable)):
                for y in range(pane.size.height):
                    strip = pane.render_line(y)
                    assert strip.text.isascii(), strip.text
                    assert strip.cell_length == pane.size.width


async def test_hostile_text_is_inert_and_secrets_are_never_shown(tmp_path: Path) -> None:
    talk = voice().server({"op": 8, "d": {"heartbeat_interval": 13750}})
    body = {"server_id": "\x1b[31m[red]", "user_id": "\u202e[b]me\x1b", "token": TOKEN, "session_id": "x"}
    talk.client({"op": 0, "d": body}).server({"op": 4, "d": {"secret_key": [7] * 32, "dave_protocol_version": 1}})
    talk.server({"op": 11, "d": {"user_ids": ["[bold]\x1b]0;evil\x07"]}}).closes(4000, "[red]\x1b", "server")
    refused = Conversation(plane=talk.plane, url=talk.url, connection=3, at_ns=talk._at_ns)
    refused.opens(status=500, refusal="\x1b[31m[red]\u202e")
    app = GwinspectApp(written(tmp_path / "a.gwcap", together(talk, refused)), marks=UNICODE)
    async with app.run_test(size=(120, 40)) as pilot:
        await on_voice(app, pilot)
        for key in ("tab", "end", "t", "c"):
            await pilot.press(key)
            await pilot.pause()
            text = shown(app)
            assert not {"\x1b", "\u202e", "\x07"} & set(text)
            assert TOKEN not in text


def test_ids_are_shortened_in_the_middle() -> None:
    assert [short_user(user) for user in ("1180000000000000001", "12", "\x1b")] == ["1180…00001", "12", "\\x1b"]
