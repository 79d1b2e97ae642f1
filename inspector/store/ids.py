"""Ids in SQL, whatever their size.

SQLite has integers of 64 bits with sign, and an INTEGER column turns the digits of a larger one into a float. Bytes it
leaves alone: an id that does not fit is stored as a blob of its decimal digits. SQLite sorts blobs after all numbers,
and of two of them, without zeros in front, the longer one is the larger.
"""

from inspector.protocol.snowflake import MOST_DIGITS

Cell = int | bytes
"""An id as SQLite has it."""

# What an INTEGER of SQLite holds.
_SMALLEST, _LARGEST = -(2**63), 2**63 - 1


def cell_of(number: int | None) -> Cell | None:
    """Return an id as it is stored; None for what cannot be one: above `MOST_DIGITS` digits, or far below 0."""
    if number is None or _SMALLEST <= number <= _LARGEST:
        return number
    return b"%d" % number if 0 < number < 10**MOST_DIGITS else None


def id_of(cell: object) -> int | None:
    """Return the id of a cell; None for anything else: anyone may have written the file."""
    if type(cell) is bytes and len(cell) <= MOST_DIGITS and cell.isdigit():
        return int(cell)
    return cell if type(cell) is int else None
