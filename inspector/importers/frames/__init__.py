"""Frames as text, ``NAME.frames.jsonl``: our exchange form, which docs/frames.md describes.

The addon writes it in a mitmproxy without gwinspect, and any program may.
"""

from inspector.importers.frames.file import FramesFile

__all__ = ["FramesFile"]
