"""``gwinspect demo``: the main job, with nothing to configure."""

import tempfile
from pathlib import Path

import click

from inspector.cli.ending import tidy_up
from inspector.cli.follow import Printout
from inspector.cli.output import Printer, note, on_screen
from inspector.cli.proxying import sum_up
from inspector.cli.staging import Stage, client_for, staged
from inspector.cli.underway import Log, Underway
from inspector.protocol.registry import default
from inspector.report.present import Presenter
from inspector.simulator.scenarios.catalogue import SCENARIOS, scenario
from inspector.store.file import check_target

_MORE = "burst-COUNT, close-CODE, voice-close-CODE. From client-never-returned on, NAME-healthy has no fault."


@click.command(epilog=f"Scenarios: {', '.join(SCENARIOS)}, {_MORE}")
@click.argument("name", metavar="[SCENARIO]", default="hello")
@click.option(
    "--capture", type=click.Path(path_type=Path), help="Keep the capture in this file  [default: it is deleted]"
)
@click.option(
    "--client",
    type=click.Choice(["discord.py", "scripted"]),
    help="Client to run  [default: discord.py where possible]",
)
@click.option("--plain", is_flag=True, help="Print rows instead of opening the screen")
@click.option(
    "--format",
    "output_format",
    type=click.Choice(["text", "jsonl"]),
    help="Print rows like this instead of opening the screen  [default without a terminal: text]",
)
def demo(name: str, capture: Path | None, client: str | None, plain: bool, output_format: str | None) -> None:
    """See gwinspect at work on a simulated Discord, with nothing to configure.

    Starts a simulated Discord on loopback, a real mitmproxy with the addon and a real client, and shows what they
    say: in the timeline, or without a terminal as rows until the scenario ends. Nothing leaves this machine.
    """
    tidy_up()
    played = scenario(name)
    client = client or client_for(name)
    if capture is not None:
        check_target(capture)
    note(f"{played.title}. {played.shows}")
    screen = on_screen() and not plain and output_format is None
    with tempfile.TemporaryDirectory(prefix="gwinspect-demo-") as temporary:
        folder = Path(temporary)
        path = capture or folder / "demo.gwcap"
        printout = Printout(path, Printer(Presenter(default()), output_format or "text"))
        log = folder / "log" if screen else None
        with staged(name, path, folder, client=client, log=log) as stage:
            note(f"{client} talks through mitmproxy at {stage.proxy.address} to a Discord on loopback")
            if log is not None:
                # Imported here: it takes a moment.
                from inspector.tui.run import run

                title = None if capture else f"demo {name}"
                run(path, source=_underway(stage, client, log), follow=True, title=title)
                cut_short = not _ended(stage)
                stage.stop()
            else:
                printout.follow(lambda: _ended(stage))
                cut_short = False
        if not screen:
            # The recorder has finished: what it wrote last.
            printout.finish()
        sum_up(path, None if capture is None else "open" if screen else "show")
    if printout.problem is not None:
        raise SystemExit(printout.problem.exit_code)
    if not cut_short and (stage.client.returncode or stage.simulator.returncode):
        raise SystemExit(1)


def _ended(stage: Stage) -> bool:
    return stage.client.poll() is not None and stage.simulator.poll() is not None


def _underway(stage: Stage, client: str, log: Path) -> Underway:
    """Return the stage as the screen knows a recording. It needs no advice: the client is on its way."""
    proxy = stage.proxy
    return Underway(proxy.address, proxy.ca_path, proxy, client=stage.client, command=client, log=Log(log))
