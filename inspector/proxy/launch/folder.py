"""The private folder of one launch: logs, certificates, hooks and what these report."""

import os
import shutil
import tempfile
from contextlib import suppress
from pathlib import Path

# Name of the file that hooks report to.
REPORTS = "hooks.jsonl"


class Folder:
    """A folder for its owner alone. It stays as long as a command that was launched out of it may run."""

    def __init__(self, path: Path | None = None, reports: Path | None = None) -> None:
        """Make a folder, or go on with the one at `path` of an earlier gwinspect.

        `reports`: the file that hooks are to write to, where it is another's.
        """
        # It may have been cleared away while nobody looked; another's must not be taken for it.
        if path is None or not path.is_dir() or path.stat().st_uid != os.geteuid():
            path = Path(tempfile.mkdtemp(prefix="gwinspect-"))
        self.path = path
        self.proxy_log = path / "proxy.log"
        self.command_log = path / "command.log"
        self.bundle = path / "ca-bundle.pem"
        self.hooks = path / "hooks"
        self.reports = reports or path / REPORTS
        self.keep_command_log = False

    def clear(self) -> None:
        """Remove what we put there, and the folder if nothing else is in it."""
        shutil.rmtree(self.hooks, ignore_errors=True)
        for path in (self.proxy_log, self.bundle, self.path / REPORTS, self.command_log):
            if path != self.command_log or not self.keep_command_log:
                path.unlink(missing_ok=True)
        with suppress(OSError):
            self.path.rmdir()
