"""Archives of discordless, in a zip archive: damaged messages, lines of indexes, files and bytes."""

import io
import zipfile
from random import Random

from tests.fuzz import damage, talks
from tests.fuzz.mutant import Mutant
from tests.fuzz.usage import steps_for
from tests.fuzz.writing import archive_of


def make(dice: Random) -> Mutant:
    happenings, frames = talks.any_talk(dice), 0
    if dice.random() < 0.5:
        happenings, frames = talks.damaged(happenings, dice)
    files = archive_of(happenings)
    for name in list(files):
        match dice.randrange(12):
            case 0:
                files[name] = damage.bytes_of(files[name], dice)
            case 1:
                files[name] = files[name][: dice.randrange(len(files[name]) + 1)]
            case 2:
                del files[name]
            case 3:
                lines = files[name].split(b"\n")
                dice.shuffle(lines)
                files[name] = b"\n".join(lines)
    before = dice.choice(("traffic_archive/", "traffic_archive/", "", "day/", "../../"))
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w", dice.choice((zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED))) as archive:
        for name, data in files.items():
            archive.writestr(zipfile.ZipInfo(before + name), data)
    data = packed.getvalue()
    if dice.random() < 0.35:
        data = damage.bytes_of(data, dice)
    return Mutant({"day.zip": data}, steps_for("day.zip", dice), frames)
