"""Statements for `gwinspect sql`, and topics for `gwinspect explain`: what a person may type or paste."""

from random import Random

from tests.fuzz import damage
from tests.fuzz.mutant import Command, Mutant
from tests.fuzz.talks import SAMPLES

_STATEMENTS = (
    "select * from event", "select id, payload(id) from event", "select payload(-1), payload('x'), payload(1e300)",
    "select payload(9223372036854775807)", "vacuum into 'copy.gwcap'", "attach 'other.db' as other",
    "delete from event",
    "attach ':memory:' as m; create table m.x (a)", "create table x (a)", "create temp table x as select 1",
    "pragma writable_schema = on",
    "pragma journal_mode = wal", "pragma user_version = 9", "pragma table_info(event)", "begin immediate",
    "drop table event",
    "select load_extension('x')", "select readfile('/etc/hostname')", "select writefile('x', 'y')",
    "insert into meta values (1, 2)",
    "select 1; select 2", "select", "", ";", "explain select * from event", "with x as (select 1 a) select * from x",
    "select char(27) || ']0;owned' || char(7) as \"\x1b[2J\"",
    "select '=1+1' as '@x', '+1' as b, '-1' as c, char(9) || 'd'",
    "select x'00ff', 1e999, -1e999, null, 9223372036854775807", "select cast(x'ff' as text)",
    "select printf('%.*c', 100000, 'x')",
    "select zeroblob(1000000)", "update event set op = 1", "select * from pragma_database_list", "select json('[')",
    "select * from event as a, event as b limit 5", "select 1 as a, 2 as a, 3 as \"\"",
    "replace into meta values ('a', 'b')",
)  # fmt: skip
_TOPICS = (
    "4014", "voice 4006", "op 8", "intents 33281", "MESSAGE_CREATE", "1180000000000000001", "heartbeat-late",
    "usage", "rules",
    "capabilities 99999", "flags", "errors", "0", "-5", "op 1e9", "intents -1", "voice op 27", "close 1006",
    "99999999999999999999999",
)  # fmt: skip


def make(dice: Random) -> Mutant:
    if dice.random() < 0.3:
        topic = _damaged(dice.choice(_TOPICS), dice)
        words = topic.split() if dice.random() < 0.7 else [topic]
        return Mutant({}, [Command(("explain", "--", *(words or [""])))])
    statement = _damaged(dice.choice(_STATEMENTS), dice)
    more = ("--format", dice.choice(("text", "csv", "jsonl")), *(("--reveal",) if dice.random() < 0.3 else ()))
    sample = (SAMPLES / "hostile.gwcap").read_bytes()
    return Mutant({"sample.gwcap": sample}, [Command(("sql", *more, "--", "sample.gwcap", statement))])


def _damaged(text: str, dice: Random) -> str:
    if dice.random() < 0.5:
        return text
    # No command line can hold a zero byte.
    return damage.bytes_of(text.encode(), dice).replace(b"\0", b"").decode("utf-8", "surrogateescape")
