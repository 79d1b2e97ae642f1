"""Logs that hold payloads: what libraries write when they are asked to, and programs of one's own.

One module reads one library's lines, and `jsonlines` what has payloads as JSON, alone or in a line of text. All of them
look at every line, as a log often has several kinds: `dialects` lists them. They say what they found in the terms of
`entries`, and `talks` makes connections of it; `file` is the source that puts it together.
"""

from inspector.importers.logs.file import LogFile

__all__ = ["LogFile"]
