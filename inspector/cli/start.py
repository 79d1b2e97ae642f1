"""Where the program begins: a signal ends it quietly from here on, also while its modules are still being imported."""

from inspector import leaving
from inspector.garbage import importing


def main() -> None:
    """Run the command line."""
    leaving.install()
    with importing():
        from inspector.cli.main import main as run
    run()
