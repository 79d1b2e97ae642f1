"""Attempts to connect that came to nothing."""

from inspector.model import Event, Kind, Opened, Plane
from inspector.session.refusals import MAX_ATTEMPTS, Refusals

MAIN, OTHER = "wss://gateway.discord.gg/?v=10", "wss://gateway-us-east1-b.discord.gg/?v=10"


def tried(refusals: Refusals, url: str, n: int = 1, *, refused: bool = True, plane: Plane = Plane.GATEWAY) -> None:
    opened = Opened(n, n, plane, url, refusal="503" if refused else None)
    refusals.take(opened, Event(n, n, n, plane, Kind.OPEN))


def test_attempts_at_one_host_are_counted_until_one_comes_about_or_goes_elsewhere() -> None:
    for url, refused in ((OTHER, False), (MAIN, True), (MAIN, False)):
        refusals = Refusals()
        tried(refusals, OTHER, 1)
        tried(refusals, OTHER, 2)
        tried(refusals, "wss://x.discord.media", 3, plane=Plane.VOICE)
        run = refusals.run_at(Plane.GATEWAY, OTHER)
        assert run is not None
        assert (run.count, [at.n for at in run.attempts]) == (2, [1, 2])
        tried(refusals, url, 4, refused=refused)
        assert refusals.run_at(Plane.GATEWAY, OTHER) is None
        assert refusals.last_ns == {Plane.GATEWAY: 4 if refused else 2, Plane.VOICE: 3}


def test_it_has_a_bound() -> None:
    refusals = Refusals()
    for n in range(1000):
        tried(refusals, f"wss://{n}.discord.gg", n)
    for n in range(1000):
        tried(refusals, MAIN, n)
    run = refusals.run_at(Plane.GATEWAY, MAIN)
    assert run is not None
    assert (run.count, len(run.attempts)) == (1000, MAX_ATTEMPTS)
    assert refusals.run_at(Plane.GATEWAY, "wss://999.discord.gg") is None
