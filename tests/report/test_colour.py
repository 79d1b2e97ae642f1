import pytest

from inspector.report.colour import coloured


@pytest.mark.parametrize(
    ("line", "shown"),
    [
        ("INFO ready", "INFO ready"),
        ("\x1b[32mINFO\x1b[0m ready", "\x1b[32mINFO\x1b[0m ready\x1b[0m"),
        ("\x1b[1;38:2::1:2:3mbold", "\x1b[1;38:2::1:2:3mbold\x1b[0m"),
        ("\x1b[31m\x1b[2J\x1b]0;title\x07", "\x1b[31m\\x1b[2J\\x1b]0;title\\x07\x1b[0m"),
        ("\x1b[?25l\x1b[3", "\\x1b[?25l\\x1b[3"),
    ],
)
def test_colours_stay_and_all_else_is_inert(line: str, shown: str) -> None:
    assert coloured(line) == shown
