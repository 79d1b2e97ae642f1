"""Rows of a capture as a file for someone else: one file a format. What is masked on the screen is masked here."""
