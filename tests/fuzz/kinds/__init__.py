"""Kinds of mutants: modules with one function, ``make(dice) -> Mutant``. To add one, write it and name it here."""

KINDS = ("capture", "har", "flow", "frames", "pcap", "discordless", "logs", "notes", "table", "filter", "sql", "wire")
"""As they are called on the command line."""
