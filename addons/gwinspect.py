"""Records Discord gateway traffic: ``mitmdump -s "$(gwinspect addon)" --set gwinspect_capture=bot.gwcap``."""

from inspector.proxy.recorder import Recorder
from inspector.proxy.views import Views

addons = [Recorder(), Views()]
