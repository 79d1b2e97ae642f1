"""The clients that play along: one of our own, and discord.py."""
