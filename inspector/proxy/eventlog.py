"""What we say in mitmproxy's event log, which mitmproxy prints on a terminal as it is: it is made inert here.

In a mitmproxy of our own, what mitmproxy and other addons say is made inert too, but for its colours.
"""

import logging
import traceback
from typing import Any

from inspector.inert import inert
from inspector.report.colour import inert_but_colours

# The variable by which a mitmproxy that we start is told that it is ours.
INERT_LOG = "GWINSPECT_INERT_LOG"

log = logging.getLogger("gwinspect")


def make_all_inert() -> None:
    """Make inert, line by line, whatever is logged in this process from now on. Colours stay."""
    logging.setLogRecordFactory(_InertRecord)


class _InertRecord(logging.LogRecord):
    def __init__(self, *arguments: Any, **more: Any) -> None:
        super().__init__(*arguments, **more)
        if self.exc_info:
            _rewrite(self, [super().getMessage(), *_trace(self)])

    def getMessage(self) -> str:  # noqa: N802
        return "\n".join(map(inert_but_colours, super().getMessage().split("\n")))


def _make_inert(record: logging.LogRecord) -> bool:
    _rewrite(record, [inert(line) for line in (record.getMessage(), *_trace(record))])
    return True


def _rewrite(record: logging.LogRecord, lines: list[str]) -> None:
    """Make `lines` all that a record says, also of its exception."""
    record.msg, record.args, record.exc_info = "\n".join(lines), None, None


def _trace(record: logging.LogRecord) -> list[str]:
    """Return the lines of the traceback, whose exception may quote anyone."""
    if not record.exc_info or record.exc_info[0] is None:
        return []
    return "".join(traceback.format_exception(*record.exc_info)).rstrip("\n").split("\n")


log.addFilter(_make_inert)
