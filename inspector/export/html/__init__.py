"""The HTML report: one file that explains a recording in any browser, without a network or a server.

What is drawn are the values of `inspector.analysis`, as on the screens. Every text goes through `markup`, which makes
it inert and escapes it; nothing else writes a "<".
"""
