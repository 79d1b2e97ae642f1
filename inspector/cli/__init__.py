"""The command line. One command, one file, imported when it is called; only this folder knows click."""
