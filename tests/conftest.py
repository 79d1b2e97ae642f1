"""For all tests: how long an example of hypothesis takes is no part of what is tested; machines may be busy."""

from hypothesis import settings

settings.register_profile("gwinspect", deadline=None)
settings.load_profile("gwinspect")
