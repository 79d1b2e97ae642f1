"""Captures: one SQLite file with the frames as they were seen, and the events derived from them."""
