"""Filters of `--where`: whole ones out of the registry of fields, and damaged ones."""

from random import Random

from inspector.query.fields import FIELDS
from tests.fuzz import damage

WHOLE = (
    "op == 0", "event =~ MESSAGE_*", "dir == send", "plane == voice", "d.guild_id == 123", "bytes > 4k",
    "finding >= warn",
    "conn == 2", "not (op in (1, 11))", "op == heartbeat_ack", "guild", "d.a.* == 7", "d.**.id =~ /1.*0/",
    "close == 4014",
    "rule =~ heartbeat*", "kind == undecoded", "d.content =~ /(a|b)+c/", "time > 12:00", "user == 18446744073709551615",
    "d.user.id != null and d.seq >= 3 or text", "event in (READY, 'RESUMED')", "session == 5e55", "latency > 10",
)  # fmt: skip
_OPERATORS = ("==", "!=", "<", "<=", ">", ">=", "=~", "!~", "in", "not in", "=", "~", "&&")
_WORDS = (
    "null",
    "true",
    "-1",
    "9" * 25,
    "1e9",
    "4k",
    "1.5MB",
    "12:00",
    "/x+/",
    "/(/",
    "'quo ted'",
    '"',
    "(1, 2)",
    "*",
    "\\",
)
_JOINTS = (" and ", " or ", " ", " not ", "(", ")", "\n", " && ")


def filter_of(dice: Random) -> str:
    """Return a filter, more often a sound one than not."""
    match dice.randrange(6):
        case 0 | 1:
            return dice.choice(WHOLE)
        case 2:
            return _comparison(dice)
        case 3:
            parts = [
                _comparison(dice) if dice.random() < 0.5 else dice.choice(WHOLE) for _ in range(dice.randint(2, 4))
            ]
            return "".join(part + dice.choice(_JOINTS) for part in parts)
        case 4:
            return "(" * dice.choice((1, 20, 200)) + dice.choice(WHOLE) + ")" * dice.choice((1, 20, 200))
        case _:
            sound = dice.choice(WHOLE).encode()
            return (
                damage.bytes_of(sound, dice)
                .replace(b"\0", b"")
                .decode("utf-8", dice.choice(("replace", "surrogateescape")))
            )


def _comparison(dice: Random) -> str:
    field = dice.choice([field.name for field in FIELDS] + ["d", "d.x", "d.*", "d.**", "d.0.id", "d." + "a." * 40])
    word = damage.text(dice) if dice.random() < 0.3 else dice.choice(_WORDS)
    return f"{field} {dice.choice(_OPERATORS)} {word}"
