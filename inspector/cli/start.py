"""Where the program begins: a signal ends it quietly from here on, also while its modules are still being imported."""

from inspector import leaving


def main() -> None:
    """Run the command line."""
    leaving.install()
    from inspector.cli.main import main as run

    run()
