"""What is said of a bug of ours: its kind and place, and never what was worked on."""

import subprocess
import sys
from pathlib import Path

import pytest

from inspector import faults, words
from inspector.errors import CaptureError
from inspector.faults import is_ours, marked, place_of, report

TOKEN = "MTAwMDAwMDAwMDAwMDAwMDAw.GaaaaB.invented-token-of-nobody-0123456789"


def caught(step, *args) -> Exception:
    with pytest.raises(Exception) as found:  # noqa: PT011 - any
        step(*args)
    return found.value


def leaky(token: str) -> None:
    secret = token * 2
    raise ValueError(f"cannot read {secret!r} at \x1b[31m\u202e" + "x" * 1000)


def test_the_place_is_ours_even_where_a_library_raised() -> None:
    error = caught(words.clock, "not a time")
    assert place_of(error).startswith("TypeError in words.py:")


def test_a_report_has_places_and_no_values() -> None:
    lines = report(caught(leaky, TOKEN))
    text = "\n".join(lines)
    assert lines[0] == "Traceback (most recent call last):"
    assert "test_faults.py" in text
    assert " in leaky" in text
    assert "invented-token" not in text
    assert "ValueError: cannot read '…' at \\x1b[31m\\u202e…" in text
    assert len(lines[-1]) < 300


def test_a_report_tells_what_led_to_it_and_stays_short() -> None:
    def deep(n: int) -> None:
        if n == 0:
            raise KeyError(TOKEN)
        deep(n - 1)

    def outer() -> None:
        try:
            deep(900)
        except KeyError as error:
            raise RuntimeError("outer") from error

    lines = report(caught(outer))
    assert [line for line in lines if not line.startswith("  ")] == [
        "Traceback (most recent call last):",
        "KeyError: '…'",
        "Then, while that was handled:",
        "RuntimeError: outer",
    ]
    assert len(lines) < 30


def test_an_exception_that_cannot_be_written_is_reported() -> None:
    assert "its text is not available" in report(caught({}.__getitem__, 10**5000))[-1]


def test_no_folder_of_this_machine_is_named() -> None:
    text = "\n".join(report(caught(words.clock, "x")))
    assert "  inspector/words.py:" in text
    assert str(Path(faults.__file__).parent) not in text


@pytest.mark.parametrize(
    ("error", "ours"),
    [(ValueError(), True), (MemoryError(), True), (CaptureError(), False), (KeyboardInterrupt(), False)],
)
@pytest.mark.usefixtures("lenient")
def test_what_a_person_can_act_on_is_not_a_bug(error: BaseException, ours: bool) -> None:
    assert is_ours(error) is ours


def test_tests_see_every_fault() -> None:
    assert not is_ours(ValueError())


def test_a_mark_names_kind_and_place() -> None:
    assert marked("this row could not be shown", ValueError(TOKEN)) == (
        "this row could not be shown (bug in gwinspect: ValueError; please report it)"
    )


BROKEN = """
import sys
import inspector.cli.explain
from inspector.cli import main
def broken(*args):
    token = sys.argv[-1]
    raise {error}
sys.modules["inspector.cli.explain"].look_up = broken
main.main()
"""


@pytest.mark.parametrize("error", ["ValueError(f'in {token!r}')", "RecursionError(token)", "KeyError(token)"])
def test_a_crash_of_a_command_prints_no_value(error: str) -> None:
    command = [sys.executable, "-c", BROKEN.format(error=error), "explain", "op", TOKEN]
    ended = subprocess.run(command, capture_output=True, text=True)
    assert ended.returncode == 2
    assert "Traceback (most recent call last):" in ended.stderr
    assert "in broken" in ended.stderr
    assert ended.stderr.endswith("which hold no data of yours\n")
    assert ended.stdout == ""
    assert "invented-token" not in ended.stderr


def test_a_crash_of_a_thread_prints_no_value() -> None:
    code = f"""
import threading
from inspector.cli.crash import say_crashes_of_threads
say_crashes_of_threads()
def broken(token):
    raise KeyError(token)
thread = threading.Thread(target=broken, args=({TOKEN!r},))
thread.start()
thread.join()
"""
    ended = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert "in broken" in ended.stderr
    assert "invented-token" not in ended.stderr
