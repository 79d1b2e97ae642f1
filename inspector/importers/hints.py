"""What the user says of the files that are read, as the files do not say it themselves."""

from dataclasses import dataclass, replace
from pathlib import Path


@dataclass(frozen=True, slots=True)
class Hints:
    """What the user says of the files that are read."""

    hosts: tuple[str, ...] = ()
    """More hosts that are gateways (see `inspector.protocol.hosts.plane_of`)."""
    keys: tuple[Path, ...] = ()
    """Key logs of TLS, for packet captures."""
    fields: tuple[tuple[str, str], ...] = ()
    """Which field of a record in a log holds what: pairs of what (`inspector.importers.logs.jsonlines.FIELDS`) and the
    field's name, ``a.b`` for one within another."""
    duplicates: bool = False
    """Connections that several of the files have are to be shown once for each."""

    def absolute(self) -> "Hints":
        """Return the same for a process in another folder."""
        return replace(self, keys=tuple(map(Path.absolute, self.keys)))


NO_HINTS = Hints()
