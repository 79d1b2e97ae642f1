"""What is logged in mitmproxy cannot act on the terminal that it is printed on."""

import io
import logging
from collections.abc import Iterator

import pytest
from mitmproxy.log import MitmFormatter

from inspector.proxy.eventlog import _make_inert as make_inert
from inspector.proxy.eventlog import log, make_all_inert

pytestmark = pytest.mark.compat

HOSTILE = "a\x1b]0;t\x07\x9b2J\u202e\u2028\nb"
INERT = r"a\x1b]0;t\x07\x9b2J\u202e\u2028\nb"
LINES = "a\\x1b]0;t\\x07\\x9b2J\\u202e\\u2028\nb"


@pytest.fixture
def terminal(monkeypatch: pytest.MonkeyPatch) -> Iterator[io.StringIO]:
    """What mitmproxy would print, without colours."""
    # The addon alone has a filter of its own for the same logger, which other tests have put there.
    monkeypatch.setattr(log, "filters", [make_inert])
    file = io.StringIO()
    handler = logging.StreamHandler(file)
    handler.setFormatter(MitmFormatter(False))
    logging.getLogger().addHandler(handler)
    factory = logging.getLogRecordFactory()
    yield file
    logging.setLogRecordFactory(factory)
    logging.getLogger().removeHandler(handler)


def printed(terminal: io.StringIO) -> str:
    """Without the times."""
    return terminal.getvalue().partition("] ")[2]


def test_our_own_words_keep_to_one_line(terminal: io.StringIO) -> None:
    log.error("of %s", HOSTILE)
    assert printed(terminal) == f"of {INERT}\n"


def test_our_own_errors_have_their_traceback(terminal: io.StringIO) -> None:
    try:
        raise ValueError(HOSTILE)
    except ValueError:
        log.exception("it failed")
    said = printed(terminal).splitlines()
    assert said[:2] == ["it failed", "Traceback (most recent call last):"]
    assert said[-2:] == [r"ValueError: a\x1b]0;t\x07\x9b2J\u202e\u2028", "b"]


def test_another_mitmproxy_is_let_be(terminal: io.StringIO) -> None:
    logging.getLogger("elsewhere").error("of %s", HOSTILE)
    assert printed(terminal) == f"of {HOSTILE}\n"


def test_in_our_own_mitmproxy_everything_is_inert(terminal: io.StringIO) -> None:
    make_all_inert()
    logging.getLogger("elsewhere").error("of %s", HOSTILE)
    assert printed(terminal) == f"of {LINES}\n"


def test_in_our_own_mitmproxy_errors_and_colours_are_seen(terminal: io.StringIO) -> None:
    make_all_inert()
    try:
        raise ValueError(HOSTILE)
    except ValueError:
        logging.getLogger("elsewhere").error("\x1b[31mred\x1b[0m", exc_info=True)
    said = printed(terminal).splitlines()
    assert said[:2] == ["\x1b[31mred\x1b[0m", "Traceback (most recent call last):"]
    assert said[-2:] == [r"ValueError: a\x1b]0;t\x07\x9b2J\u202e\u2028", "b"]
