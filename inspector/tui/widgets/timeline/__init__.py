"""The timeline, and the lines around it."""
