"""What a mitmproxy with gwinspect loads: ``addons/gwinspect.py`` asks for it."""

from typing import Any

from inspector.proxy.direct import Direct
from inspector.proxy.recorder import Recorder
from inspector.proxy.reverse import Reverse
from inspector.proxy.views import Views


def all_addons() -> list[Any]:
    """Return our addons for mitmproxy, in their order: the recorder asks what reverse mode changed."""
    return [Reverse(), Recorder(), Direct(), Views()]
