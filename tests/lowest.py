"""Print pip constraints that pin every dependency to the lowest version pyproject.toml allows."""

import re
import tomllib
from pathlib import Path

project = tomllib.loads((Path(__file__).parents[1] / "pyproject.toml").read_text("utf-8"))["project"]
for requirement in [*project["dependencies"], *project["optional-dependencies"]["demo"]]:
    print(re.sub(r"^([\w.-]+)>=([\w.]+)", r"\1==\2", requirement))
