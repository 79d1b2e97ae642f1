"""Print pip constraints that pin every dependency to the lowest version pyproject.toml allows."""

import re
import tomllib
from pathlib import Path

project = tomllib.loads((Path(__file__).parents[1] / "pyproject.toml").read_text("utf-8"))["project"]
extras = project["optional-dependencies"]
for requirement in [*project["dependencies"], *extras["demo"], *extras["archive"]]:
    print(re.sub(r"^([\w.-]+)>=([\w.]+)", r"\1==\2", requirement))
