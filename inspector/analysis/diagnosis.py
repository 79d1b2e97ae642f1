"""What the rules noticed in recordings, collected. `inspector.report` says it: in text, and in files for CI.

Of a capture that was made of several files, row numbers are those of all of them together.
"""

from collections.abc import Callable, Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass, field
from pathlib import Path

from inspector.analysis.cases import Case, Listed, is_close
from inspector.analysis.findings import Findings
from inspector.diagnose.rule import Rule
from inspector.diagnose.rules import RULES
from inspector.errors import CaptureError
from inspector.model import Severity, Verdict
from inspector.store.reader import Reader


@dataclass(slots=True)
class Diagnosis:
    """Everything that is to be reported."""

    files: tuple[str, ...]
    cases: tuple[Case, ...] = ()
    """What must be done first at the top."""
    accepted: tuple[Case, ...] = ()
    """Those that are known and accepted; see `inspector.analysis.baseline`."""
    rules: tuple[Rule, ...] = RULES
    """Those that were asked."""
    verdicts: Mapping[int, Verdict] = field(default_factory=dict)
    """On closes, by row."""
    file_of: Mapping[int, str] = field(default_factory=dict)
    """Names of the files that connections came from, where there are several."""
    accounts: frozenset[str] = frozenset()
    """All that are known: see `Connection.account`."""
    connections: int = 0
    sessions: int = 0
    events: int = 0
    began_ns: int = 0
    ended_ns: int = 0
    cut_at: int | None = None
    """Findings that are reported, where there are more; None where all of them are."""
    undecoded_frames: int = 0
    """Messages that are stored and not decoded yet."""

    @property
    def worst(self) -> Severity | None:
        """The severity of the worst case; None where there is none."""
        return max((case.severity for case in self.cases), default=None)

    def count(self, severity: Severity) -> int:
        """Return how many cases have just this severity."""
        return sum(case.severity is severity for case in self.cases)

    def verdict_of(self, listed: Listed | None) -> Verdict | None:
        """Return the verdict that goes with a finding, if that stands for a close."""
        if listed is None or not is_close(listed.finding.rule):
            return None
        return self.verdicts.get(listed.finding.event)


def diagnose(path: Path, *, files: Sequence[str] = (), wanted: Callable[[str], bool] = lambda rule: True) -> Diagnosis:
    """Return what the rules say of the capture `path`.

    `files`: names of those that it was made of, if it was. `wanted`: which rules' findings count, by name.

    Raises CaptureError where it cannot be read, and where there is no gateway connection in it: that nothing was looked
    at must not pass for all being well.
    """
    made = Diagnosis(tuple(files) or (path.name,), rules=tuple(rule for rule in RULES if wanted(rule.id)))
    with closing(Reader(path)) as reader:
        connections = reader.connections()
        if not connections:
            raise CaptureError(
                f"there is no gateway connection in {path}, so there was nothing to check; make sure that the client "
                "goes through the proxy"
            )
        made.connections = len(connections)
        made.accounts = frozenset(connection.account for connection in connections if connection.account)
        made.sessions = len({connection.session for connection in connections if connection.session})
        made.events = reader.last()
        made.began_ns, made.ended_ns = reader.span()
        made.verdicts, made.file_of = reader.verdicts(), reader.files()
        findings = Findings(reader, wanted)
        while findings.advance():
            pass
        noticed = findings.snapshot()
        made.cases = noticed.cases
        if noticed.total > len(noticed.listed):
            made.cut_at = len(noticed.listed)
        made.undecoded_frames = reader.undecoded_frames()
    return made
