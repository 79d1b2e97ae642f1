"""``gwinspect explain``: what a number or a name means."""

import shutil

import click

from inspector.cli.output import say
from inspector.errors import UsageError
from inspector.protocol.registry import default
from inspector.report.explain import explain as look_up
from inspector.report.explain import render, suggest


@click.command(epilog="Example: gwinspect explain voice 4006")
@click.argument("topic", nargs=-1, required=True)
def explain(topic: tuple[str, ...]) -> None:
    """Explain an opcode, close code, event, intent, id or rule.

    TOPIC is a number or a name, after its plane or kind where that matters: 4014, voice 4006, op 8,
    intents 33281, MESSAGE_CREATE, an id, the id of a rule (`rules` lists them), the slug of an error. You can give
    several one-word topics.
    """
    words = " ".join(topic)
    found = [look_up(words, default())]
    if found == [None]:
        found = [look_up(word, default()) for word in topic]
    if None in found:
        near = suggest(words, default())
        hint = (
            f"did you mean {', '.join(near)}?" if near else "try a number, an event such as MESSAGE_CREATE, or `op 8`"
        )
        raise UsageError(f"nothing is called {words!r}; {hint}")
    width = min(100, shutil.get_terminal_size((80, 24)).columns)
    for explanation in filter(None, found):
        for line in render(explanation, width).split("\n"):
            say(line)
