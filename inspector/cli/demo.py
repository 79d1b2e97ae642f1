"""``gwinspect demo``: the main job, with nothing to configure."""

import tempfile
from pathlib import Path

import click

from inspector.cli.follow import follow
from inspector.cli.output import Printer, note
from inspector.cli.staging import client_for, staged
from inspector.protocol.registry import default
from inspector.report.present import Presenter
from inspector.report.rows import CaptureRows
from inspector.simulator.scenarios import SCENARIOS, scenario
from inspector.store.file import check_target
from inspector.store.reader import Reader


@click.command(epilog="Scenarios: " + ", ".join(SCENARIOS) + ", burst-COUNT, close-CODE, voice-close-CODE.")
@click.argument("name", metavar="[SCENARIO]", default="hello")
@click.option(
    "--capture", type=click.Path(path_type=Path), help="Keep the capture in this file  [default: it is thrown away]"
)
@click.option(
    "--client",
    type=click.Choice(["discord.py", "scripted"]),
    help="Who plays the client  [default: discord.py where it can]",
)
@click.option("--format", "output_format", type=click.Choice(["text", "jsonl"]), default="text", show_default=True)
def demo(name: str, capture: Path | None, client: str | None, output_format: str) -> None:
    """Show the main job on a Discord of our own, with nothing to configure.

    Starts a Discord on loopback, a real mitmproxy with the addon and a real client, and prints what they say until the
    scenario ends. Nothing leaves this machine.
    """
    played = scenario(name)
    client = client or client_for(name)
    if capture is not None:
        check_target(capture)
    note(f"{played.title}. {played.shows}")
    with tempfile.TemporaryDirectory(prefix="gwinspect-demo-") as temporary:
        folder = Path(temporary)
        path = capture or folder / "demo.gwcap"
        with staged(name, path, folder, client=client) as stage:
            note(f"{client} talks through mitmproxy at {stage.proxy.address} to a Discord on loopback")
            reader = Reader(path)
            rows = CaptureRows(reader)
            printer = Printer(Presenter(default()), output_format)
            after = 0
            for event in follow(reader, lambda: stage.client.poll() is not None and stage.simulator.poll() is not None):
                after = event.n
                printer.print(event, rows)
                printer.flush()
        # The recorder has finished: what it wrote last.
        for event in reader.all_events(after):
            printer.print(event, rows)
        printer.flush()
        note(
            f"{reader.last():,} events of {len(reader.connections())} connections"
            + (f" in {capture}" if capture else "")
        )
        reader.close()
    code = stage.client.returncode or stage.simulator.returncode
    if code:
        raise SystemExit(1)
