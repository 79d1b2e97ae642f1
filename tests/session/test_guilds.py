"""Guilds that are to come, or to come back."""

from inspector.session.guilds import MAX_GUILDS, Guilds
from inspector.session.messages import At

READY = At(1, 10)


def test_a_guild_is_awaited_until_it_comes() -> None:
    guilds = Guilds.of(READY, (5, 6))
    guilds.came(7, At(2, 20))
    assert (guilds.newest, [*guilds.awaited], guilds.listed) == (READY, [5, 6], 2)
    guilds.came(6, At(3, 30))
    assert (guilds.newest, [*guilds.awaited]) == (At(3, 30), [5])
    guilds.went(5, At(4, 40), unavailable=True)
    assert [*guilds.awaited] == [5]
    guilds.went(5, At(5, 50), unavailable=False)
    assert not guilds.awaited


def test_a_guild_is_unavailable_until_it_comes_back_or_goes_for_good() -> None:
    guilds = Guilds.of(READY, ())
    for guild in (5, 6, 7):
        guilds.went(guild, At(guild, guild), unavailable=True)
    guilds.came(5, At(8, 80))
    guilds.went(6, At(9, 90), unavailable=False)
    assert guilds.unavailable == {7: At(7, 7)}


def test_it_has_a_bound() -> None:
    guilds = Guilds.of(READY, ())
    for guild in range(2 * MAX_GUILDS):
        guilds.went(guild, READY, unavailable=True)
    assert len(guilds.unavailable) == MAX_GUILDS
