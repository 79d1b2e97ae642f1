"""How a file is used: a few of the commands that take one, by dice."""

from random import Random

from tests.fuzz.filters import filter_of
from tests.fuzz.kept import reindexing
from tests.fuzz.look import on_a_screen, read_by_screens
from tests.fuzz.mutant import Call, Command, Step

# One in so many mutants is opened in the timeline, which takes as long as a hundred commands.
SCREENS = 250
_STATEMENTS = (
    "select * from event", "select * from connection", "select id, payload(id) from event", "select * from meta",
    "select * from finding limit 5", "select count(*) from frame", "select sql from sqlite_master",
    "select hex(raw) from frame limit 3", "select op, group_concat(event) from event group by 1",
)  # fmt: skip


def steps_for(name: str, dice: Random, capture: bytes | None = None) -> list[Step]:
    """Return what is done with a file. `capture`: what is in it, where commands for captures make sense."""
    if dice.randrange(SCREENS) == 0:
        return [on_a_screen(name, dice)]
    if dice.random() < 0.12:
        return [Command(_reading(dice, "-"), stdin=name)]
    steps: list[Step] = []
    for _ in range(dice.choice((1, 1, 2))):
        roll = dice.random()
        if roll < 0.15:
            steps.append(read_by_screens(name, dice))
        elif roll < 0.25:
            steps += _converting(name, dice)
        elif capture is not None and roll < 0.33:
            steps += [*reindexing(name, capture), Command(("show", name))]
            break
        elif capture is not None and roll < 0.42:
            form = ("--format", dice.choice(("text", "csv", "jsonl")), *(("--reveal",) if dice.random() < 0.3 else ()))
            steps.append(Command(("sql", name, dice.choice(_STATEMENTS), *form)))
        else:
            steps.append(Command(_reading(dice, name)))
    return steps


def commands_for(name: str, dice: Random) -> list[Step]:
    """Return what is done with a name that commands alone take: a folder, a pattern."""
    return _converting(name, dice) if dice.random() < 0.1 else [Command(_reading(dice, name))]


def all_uses(name: str, data: bytes, dice: Random) -> list[Step]:
    """Return every way to use a file once."""
    found: list[Step] = [
        Command(("show", name, *options))
        for options in (
            (),
            ("--reveal",),
            ("--format", "jsonl"),
            ("--format", "jsonl", "--raw", "--reveal"),
            ("--where", "d.content == x or finding >= info"),
            ("--limit", "3"),
        )
    ]
    found += [Command(("export", name, "--to", form)) for form in ("frames", "csv")]
    found += [Command(("stats", name, "--format", form)) for form in ("text", "jsonl")]
    found += [Command(("diagnose", name, "--format", form)) for form in ("text", "jsonl", "junit")]
    screen: Call = read_by_screens(name, dice)
    found += [screen, *_converting(name, dice)]
    return [*found, *reindexing(name, data)] if name.endswith(".gwcap") else found


def _reading(dice: Random, name: str) -> tuple[str, ...]:
    where = ("--where", filter_of(dice)) if dice.random() < 0.3 else ()
    match dice.randrange(10):
        case 0 | 1:
            return ("show", name, *where)
        case 2:
            return ("show", name, "--format", "jsonl", *where)
        case 3:
            return ("show", name, "--format", "jsonl", "--raw", *(("--reveal",) if dice.random() < 0.5 else ()))
        case 4:
            return (
                "show",
                name,
                dice.choice(("--packets", "--decrypt", "--reveal")),
                "--limit",
                str(dice.randrange(9)),
            )
        case 9:
            form = dice.choice(("frames", "frames", "csv", "jsonl", "text"))
            return ("export", name, "--to", form, *(("--reveal",) if dice.random() < 0.5 else ()))
        case 5 | 6:
            order = ("--by", "bytes") if dice.random() < 0.2 else ()
            return ("stats", name, "--format", dice.choice(("text", "jsonl")), *order, *where)
        case _:
            fail_on = ("--fail-on", dice.choice(("never", "info", "error"))) if dice.random() < 0.2 else ()
            return ("diagnose", name, "--format", dice.choice(("text", "jsonl", "junit")), *fail_on)


def _converting(name: str, dice: Random) -> list[Step]:
    made = ("converted.gwcap",)
    more = ("--keep-secrets",) if dice.random() < 0.3 else ()
    first = Command(("convert", name, "-o", made[0], *more), makes=made)
    return [first, Command(("show", made[0], "--format", dice.choice(("text", "jsonl"))), makes=made)]
