"""The private folder of one launch: logs, certificates, hooks and what these report."""

import os
import shutil
import tempfile
from contextlib import suppress
from pathlib import Path

import psutil

from inspector.proxy.launch.reports import read_reports

# Name of the file that hooks report to.
REPORTS = "hooks.jsonl"


class Folder:
    """A folder for its owner alone. It stays as long as a command that was launched out of it may run."""

    def __init__(self, path: Path | None = None, reports: Path | None = None) -> None:
        """Make a folder, or go on with the one at `path` of an earlier gwinspect.

        `reports`: the file that hooks are to write to, where it is another's.
        """
        # It may have been cleared away while no one looked; another's must not be taken for it.
        if path is None or not path.is_dir() or path.stat().st_uid != os.geteuid():
            path = Path(tempfile.mkdtemp(prefix="gwinspect-"))
        self.path = path
        self.proxy_log = path / "proxy.log"
        self.command_log = path / "command.log"
        self.bundle = path / "ca-bundle.pem"
        self.key_store = path / "ca-bundle.jks"
        self.proxychains = path / "proxychains.conf"
        self.hooks = path / "hooks"
        self.keys = path / "keys.log"
        """The TLS keys of a command whose packets are recorded."""
        self.reports = reports or path / REPORTS
        self.keep_command_log = False

    def clear(self) -> None:
        """Remove what we put there, and the folder if nothing else is in it.

        A program that the command has left behind, as ``pm2 start`` does, may start others, and these end at once if a
        file is missing that their environment names: then hooks stay, empty, and certificates as they are.
        """
        going = [self.proxy_log, self.path / REPORTS]
        if not self.keep_command_log:
            going.append(self.command_log)
        if self._has_survivors():
            for hook in self.hooks.glob("*.cjs"):
                hook.write_bytes(b"")
            # No one misses it, and one that it is before is found on its own.
            going.append(self.hooks / "sitecustomize.py")
            if self.keys.exists():
                # A program fails that cannot write its keys. Whose they are is over.
                self.keys.write_bytes(b"")
        else:
            shutil.rmtree(self.hooks, ignore_errors=True)
            going += [self.bundle, self.key_store, self.proxychains, self.keys]
        for path in going:
            path.unlink(missing_ok=True)
        with suppress(OSError):
            self.path.rmdir()

    def _has_survivors(self) -> bool:
        """Say whether a program runs that has loaded one of these hooks, and may pass its environment on."""
        numbers = {report.pid for report in read_reports(self.reports)} - {os.getpid()}
        return any(map(self._is_in_environment, numbers))

    def _is_in_environment(self, pid: int) -> bool:
        try:
            return str(self.hooks) in "".join(psutil.Process(pid).environ().values())
        except psutil.NoSuchProcess:
            return False
        except (psutil.Error, OSError):
            return True
