"""Other people's packages in folders of their own, made on first use and kept. Tests run side by side."""

import fcntl
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path


@contextmanager
def made_once(folder: Path) -> Iterator[bool]:
    """Give whether `folder` is still to be made, while nobody else can. It counts as made if the block succeeds."""
    folder.parent.mkdir(parents=True, exist_ok=True)
    with (folder.parent / f"{folder.name}.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        to_make = not (folder / ".ready").exists()
        if to_make:
            shutil.rmtree(folder, ignore_errors=True)
        yield to_make
        if to_make:
            (folder / ".ready").touch()
