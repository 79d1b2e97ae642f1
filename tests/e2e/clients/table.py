"""The table of clients in ``docs/clients.md``: read, brought up to date by a run, and written.

Rows of setups that were not tried this time stay as they are: each says itself when it was made.
"""

from collections.abc import Iterable, Mapping
from datetime import UTC, datetime
from pathlib import Path

from tests.e2e.clients.setups import SETUPS, Setup
from tests.e2e.clients.trying import Trial

PATH = Path(__file__).parents[3] / "docs" / "clients.md"

HEAD = """\
# Which clients are seen

`gwinspect record -- COMMAND` and `gwinspect live -- COMMAND` on unmodified clients. Each row was made by a run:
`make clients` installs the client, starts it like that against a Discord on loopback, and waits until the recording
holds its login. Do not edit this page; the setups are in `tests/e2e/clients/setups.py`.

*hook*: gwinspect leads connections to Discord's gateways to the proxy from inside the client's runtime. *environment*:
the client reads proxy and certificates from environment variables. *proxychains*: with `--through proxychains`,
on Linux. `--mode local` needs macOS or Windows, or Linux with mitmproxy 12.

| client | version | runtime | how it gets in | date |
|---|---|---|---|---|
"""


def title(setup: Setup) -> str:
    """Return the first cells of a setup's row, which tell it from all others."""
    client = f"{setup.client} ({setup.name})" if setup.name else setup.client
    runtime = {"node": "Node", "bun": "Bun", "deno": "Deno"}.get(setup.kind, "")
    more = f" {setup.runtime}" if runtime and setup.runtime else ""
    return f"| {client} | {setup.version or '–'} | {runtime}{more}"


def row(trial: Trial) -> str:
    """Return the row of a setup that was tried today."""
    setup = trial.setup
    start = title(setup) if setup.kind in ("node", "bun", "deno") else title(setup) + trial.runtime
    if trial.outcome.seen:
        how = trial.way
    elif setup.way == "none":
        how = f"not on its own; with {setup.advice}"
    else:
        how = f"**not seen**, though expected by {setup.way}"
    return f"{start} | {how} | {datetime.now(UTC):%Y-%m-%d} |"


def existing(path: Path = PATH) -> dict[str, str]:
    """Return the rows of the page by setup, those that it has."""
    lines = path.read_text("utf-8").splitlines() if path.exists() else []
    found = {}
    for setup in SETUPS:
        start = title(setup)
        row = next((line for line in lines if line.startswith(start) and line not in found.values()), None)
        if row is not None:
            found[setup.id] = row
    return found


def write(trials: Iterable[Trial], missing: Mapping[str, str], path: Path = PATH) -> None:
    """Bring the page up to date. `missing` says, by setup, what is not here that it needs."""
    rows = existing(path) | {trial.setup.id: row(trial) for trial in trials}
    for setup in SETUPS:
        if setup.id not in rows:
            rows[setup.id] = f"{title(setup)} | not tried: {missing.get(setup.id, 'not run')} | |"
    path.parent.mkdir(exist_ok=True)
    path.write_text(HEAD + "\n".join(rows[setup.id] for setup in SETUPS) + "\n", "utf-8")
