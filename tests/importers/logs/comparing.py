"""What a log says of a run, beside what the proxy saw of it: the same, as far as the log goes."""

from typing import Any

from tests.importers.logs.record import Row

HEARTBEAT, IDENTIFY, PRESENCE, RESUME = 1, 2, 3, 6
# What each does not tell of what its client sends.
UNTOLD = {
    # It asks for members, and its first heartbeat is not logged.
    "discordpy": {HEARTBEAT, IDENTIFY, RESUME, 8},
    "discordpy-ms": {HEARTBEAT, IDENTIFY, RESUME, 8},
    # It sends the regular heartbeats past its raw events.
    "discordpy-raw": {HEARTBEAT},
    "hikari": set[int](),
    "discordjs": {HEARTBEAT, IDENTIFY, PRESENCE, RESUME},
    "eris": set[int](),
    "oceanic": set[int](),
    "discordless": {HEARTBEAT, IDENTIFY, PRESENCE, RESUME},
}
# And of what servers say some only pass on events.
ONLY_EVENTS = {"discordjs", "oceanic"}


def assert_as_seen(name: str, found: list[Row], wanted: list[Row]) -> None:
    """Assert that each connection has the payloads of each side in order. `name` is of `UNTOLD`."""
    assert {row[0] for row in found} == {row[0] for row in wanted} == {1, 2}
    for connection in (1, 2):
        for from_client in (True, False):
            said, seen = (_told(name, rows, connection, from_client=from_client) for rows in (found, wanted))
            # What came while the client was closing it did not read any more.
            assert len(seen) - len(said) <= int(connection == 2 and not from_client)
            assert said == seen[: len(said)]


def _told(name: str, rows: list[Row], connection: int, *, from_client: bool) -> list[tuple[Any, ...]]:
    own = [row for row in rows if row[0] == connection and row[1] is from_client]
    if from_client:
        return [row[2:] for row in own if row[2] not in UNTOLD[name]]
    return [row[2:] for row in own if row[3] is not None or name not in ONLY_EVENTS]
