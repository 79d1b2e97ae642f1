"""Kinds of mutants: modules with one function, ``make(dice) -> Mutant``. To add one, write it and name it here."""

KINDS = (
    "capture",
    "har",
    "cdp",
    "flow",
    "frames",
    "pcap",
    "discordless",
    "logs",
    "folder",
    "notes",
    "table",
    "filter",
    "sql",
    "wire",
)
"""As they are called on the command line."""
