"""Records Discord gateway traffic: ``mitmdump -s "$(gwinspect addon)" --set gwinspect_capture=bot.gwcap``."""

from inspector.proxy.direct import Direct
from inspector.proxy.recorder import Recorder
from inspector.proxy.reverse import Reverse

# In this order: the recorder asks what reverse mode changed.
addons = [Reverse(), Recorder(), Direct()]
