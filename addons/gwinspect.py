"""Records Discord gateway traffic: ``mitmdump -s "$(gwinspect addon)" --set gwinspect_capture=bot.gwcap``."""

from inspector.proxy.direct import Direct
from inspector.proxy.recorder import Recorder

addons = [Recorder(), Direct()]
