"""Where the program begins: a signal ends it quietly from here on, also while its modules are still being imported."""

from inspector import leaving
from inspector.garbage import end_quickly, importing


def main() -> None:
    """Run the command line."""
    leaving.install()
    end_quickly()
    with importing():
        from inspector.cli.main import main as run
    run()
