"""Every key that works wherever one is on the main screen. Panes have keys of their own, next to what they do.

The help, the footer and the command palette are made from these. A group is a heading of the help.
"""

from textual.binding import Binding, BindingType

MAIN: list[BindingType] = [
    # Shown in the footer, the most wanted first.
    Binding("f", "filter", "filter", tooltip="Narrow the timeline with a filter"),
    Binding("slash", "search", "search", tooltip="Search payloads, names and notes"),
    Binding("c", "jump('close', 1)", "next close"),
    Binding("p", "plots", "plots", tooltip="Rates, bytes, heartbeats and the mix of events"),
    Binding("F", "findings", "findings", tooltip="All findings, with evidence and remedies"),
    Binding("s", "sides", "sessions", tooltip="Show or hide connections and sessions"),
    Binding("question_mark", "help", "help"),
    Binding("q", "quit", "quit"),
    # The rest.
    Binding("L", "lanes", "lanes", tooltip="Sessions and their connections over time", show=False),
    Binding("V", "voice", "voice", tooltip="Voice calls: their handshakes, and DAVE over time", show=False),
    Binding("n", "find(1)", "next hit", show=False),
    Binding("N", "find(-1)", "previous hit", show=False),
    Binding("C", "jump('close', -1)", "previous close", show=False),
    Binding("e", "jump('error', 1)", "next error", show=False),
    Binding("E", "jump('error', -1)", "previous error", show=False),
    Binding("exclamation_mark", "jump('case', 1)", "next case", show=False),
    Binding("colon", "goto", "go to a time or row", show=False),
    Binding("t", "time", "time: clock, since start, since row", show=False),
    Binding("number_sign", "numbers", "show or hide row numbers", show=False),
    Binding("m", "mark", "mark the row", show=False),
    Binding("apostrophe", "jump('mark', 1)", "next mark", show=False),
    Binding("a", "note", "write a note on the row", show=False),
    Binding("x", "export", "export the range, or all rows", show=False),
    Binding("y", "copy", "copy the payload", show=False),
    Binding("d", "detail", "show or hide the detail", show=False),
    Binding("r", "reveal", "reveal or mask secrets", show=False),
    Binding("T", "theme", "light or dark", show=False),
    Binding("escape", "back", "back to the timeline", show=False),
    Binding("tab", "pane(1)", "next pane", show=False),
    Binding("shift+tab", "pane(-1)", "previous pane", show=False),
    # Filters on a key; each again takes it away.
    Binding("1", "preset('noise')", "hide heartbeats and presence noise", show=False),
    Binding("2", "preset('sends')", "only what the client sent", show=False),
    Binding("3", "preset('errors')", "only errors", show=False),
    Binding("4", "preset('connection')", "only this connection", show=False),
    Binding("5", "preset('event')", "only this event", show=False),
    Binding("6", "preset('guild')", "follow this guild", show=False),
    Binding("7", "preset('user')", "follow this user", show=False),
    Binding("0", "preset('none')", "no filter", show=False),
]
