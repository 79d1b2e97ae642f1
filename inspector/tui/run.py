"""The way in for those who do not know Textual."""

from pathlib import Path

from inspector import leaving
from inspector.errors import ScreenCrash
from inspector.tui.live_proxy import Filling, LiveProxy


def run(
    path: Path,
    *,
    source: LiveProxy | None = None,
    follow: bool = False,
    where: str = "",
    notes_for: Path | None = None,
    title: str | None = None,
    filling: Filling | None = None,
) -> None:
    """Show the capture at `path` until the person quits.

    `source` is the recording that fills it; with it, or with `follow`, the newest rows stay in sight. `where` is the
    filter to begin with. Marks and notes are kept next to `notes_for`, by default `path`; `title` is said instead of
    the file's name, for captures that are a cache of something else; `filling` is the import that fills it.

    Raises CaptureError where it cannot be read, ScreenCrash where a bug of ours ended the screen; a terminal that goes
    away ends it as SIGHUP does.
    """
    # Imported here: Textual takes 0.2 s, and those who mistyped a name should hear of it sooner.
    from inspector.tui.app import GwinspectApp

    app = GwinspectApp(
        path,
        source=source,
        follow=follow,
        where=where,
        notes_for=notes_for or path,
        title=title,
        filling=filling,
    )
    with leaving.deferred(app.leave):
        app.run()
    if app.problem is not None:
        raise app.problem
    if app.return_code:
        raise ScreenCrash("the UI crashed; the error is above. It is a bug in gwinspect; please report it")
