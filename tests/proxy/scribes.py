"""A scribe in the tests' own process, where it can be looked into and made to fail."""

from pathlib import Path

from inspector.protocol.registry import default
from inspector.proxy.scribe import Scribe


def in_this_process(path: Path, *, keep_secrets: bool, max_concurrency: int | None = None) -> Scribe:
    return Scribe(path, default().allowing(max_concurrency), keep_secrets=keep_secrets)
