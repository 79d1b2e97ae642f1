"""Bytes to payloads. No I/O and no clock: everything here is fed, and answers."""
