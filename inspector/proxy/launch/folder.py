"""The private folder of one launch: logs, certificates, hooks and what these report."""

import os
import shutil
import tempfile
from contextlib import suppress
from pathlib import Path


class Folder:
    """A folder for its owner alone. It stays as long as a command that was launched out of it may run."""

    def __init__(self, path: Path | None = None) -> None:
        """Make a folder, or go on with the one at `path` of an earlier gwinspect."""
        # It may have been cleared away while nobody looked; another's must not be taken for it.
        if path is None or not path.is_dir() or path.stat().st_uid != os.geteuid():
            path = Path(tempfile.mkdtemp(prefix="gwinspect-"))
        self.path = path
        self.proxy_log = path / "proxy.log"
        self.command_log = path / "command.log"
        self.bundle = path / "ca-bundle.pem"
        self.key_store = path / "ca-bundle.jks"
        self.proxychains = path / "proxychains.conf"
        self.hooks = path / "hooks"
        self.reports = path / "hooks.jsonl"
        self.keep_command_log = False

    def clear(self) -> None:
        """Remove what we put there, and the folder if nothing else is in it."""
        shutil.rmtree(self.hooks, ignore_errors=True)
        ours = (self.proxy_log, self.bundle, self.key_store, self.proxychains, self.reports, self.command_log)
        for path in ours:
            if path != self.command_log or not self.keep_command_log:
                path.unlink(missing_ok=True)
        with suppress(OSError):
            self.path.rmdir()
