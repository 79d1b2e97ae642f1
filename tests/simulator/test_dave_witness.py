"""Who is in a group, as somebody knows who only sees one client's connection, against what the members' libraries say.

Groups grow and shrink at random, but the same each time; whose commit wins is left to chance too.
"""

from collections.abc import Iterator
from random import Random
from typing import Any

import dave as libdave
import pytest

from inspector.simulator import content
from inspector.simulator.client.member import Member
from inspector.simulator.content import BOT, LOUNGE, Json
from inspector.simulator.server import dave
from inspector.simulator.server.call import ServerCall, about_others
from inspector.simulator.server.dave import Proposal
from tests.diagnose.dave_talk import Talk, events_of, state
from tests.diagnose.finding import found

BOT_ID = int(BOT["id"])
PEOPLE = [content.user(number, f"person {number}") for number in range(20, 28)]


class Library:
    """The client's side by davey."""

    def __init__(self, sender: bytes) -> None:
        self._member = Member(BOT, LOUNGE)
        self._member.trust(sender)

    def key_package(self) -> bytes:
        return self._member.key_package()

    def consider(self, proposals: bytes, people: set[str]) -> bytes | None:
        return self._member.consider(proposals)

    def follow(self, commit: bytes, people: set[str]) -> None:
        assert self._member.follow(commit)

    def enter(self, welcome: bytes, people: set[str]) -> None:
        assert self._member.enter(welcome)

    def start_over(self) -> None:
        self._member.start_over()

    @property
    def user_ids(self) -> set[str]:
        return set(self._member.session.get_user_ids())

    @property
    def epoch(self) -> int | None:
        epoch: int = self._member.session.epoch
        return epoch


class Libdave(Library):
    """The client's side by the library of the official clients; it does not tell its epoch."""

    epoch = None

    def __init__(self, sender: bytes) -> None:
        self._session: Any = libdave.Session()
        self._sender = sender
        self._users: set[str] = set()
        self.start_over()

    def key_package(self) -> bytes:
        return bytes(self._session.get_marshalled_key_package())

    def consider(self, proposals: bytes, people: set[str]) -> bytes | None:
        commit = self._session.process_proposals(proposals, people)
        return None if commit is None else bytes(commit)

    def follow(self, commit: bytes, people: set[str]) -> None:
        self._take(self._session.process_commit(commit))

    def enter(self, welcome: bytes, people: set[str]) -> None:
        self._take(self._session.process_welcome(welcome, people))

    def start_over(self) -> None:
        self._session.reset()
        self._session.init(1, int(LOUNGE), BOT["id"])
        self._session.set_external_sender(self._sender)
        self._users = set()

    def _take(self, changes: Any) -> None:
        """Take in who came, each with a key, and who left, each without."""
        assert isinstance(changes, dict), changes
        for user, key in changes.items():
            (self._users.add if key else self._users.discard)(str(user))

    @property
    def user_ids(self) -> set[str]:
        return self._users


class Watched:
    """A call, and a recording of the bot's connection to it."""

    def __init__(self, library: type[Library]) -> None:
        self.talk = Talk()
        self.call = ServerCall(LOUNGE)
        self.bot = library(self.call.sender.package)
        self.people = {BOT["id"]}
        self._commit: bytes | None = None
        self.talk.opens().server({"op": 8, "d": {"heartbeat_interval": 41250}})
        who = {"server_id": "42", "session_id": "invented", "token": "invented", "user_id": BOT["id"]}
        self.talk.client({"op": 0, "d": who | {"max_dave_protocol_version": 1}})
        self.talk.server({"op": 4, "d": {"dave_protocol_version": 1}})
        self._tell(25, self.call.sender.package)
        self.offer()

    def offer(self) -> None:
        package = self.bot.key_package()
        self._say(26, package)
        self.call.group.offer(BOT_ID, package)

    def come(self, *people: Json) -> None:
        for who in people:
            self.call.guest(who)
            self.people.add(who["id"])
        self.talk.server({"op": 11, "d": {"user_ids": [who["id"] for who in people]}})

    def propose(self, proposals: list[Proposal]) -> None:
        others = about_others(proposals, BOT_ID)
        self._tell(27, dave.append(others))
        self._commit = self.bot.consider(dave.append(others), self.people)
        if self._commit is not None:
            self._say(28, self._commit)

    def announce(self, by: Json) -> None:
        """Let one's commit win; afterwards the witness must know what the library knows."""
        commit = self._commit if by is BOT else self.call.commit_of(by)
        assert commit is not None
        won = self.call.accept(int(by["id"]), commit)
        number = self.call.transition_id
        if BOT_ID in won.welcomes:
            self._tell(30, number.to_bytes(2) + won.welcomes[BOT_ID])
            self.bot.enter(won.welcomes[BOT_ID], self.people)
        else:
            self._tell(29, number.to_bytes(2) + won.commit)
            self.bot.follow(won.commit, self.people)
        if number:
            self.talk.ready(number).executes(number)

    def leave(self, *people: Json) -> None:
        for who in people:
            self.call.leave(who)
            self.people.discard(who["id"])
            self.talk.server({"op": 13, "d": {"user_id": who["id"]}})

    def start_over(self) -> None:
        self.talk.renews()
        self.call.start_over()
        self.bot.start_over()
        self.offer()

    def agree(self) -> None:
        known = state(self.talk)
        assert {str(user) for user in self.call.group.members.values()} == self.bot.user_ids
        assert self.bot.epoch in (None, self.call.group.epoch)
        assert known.epoch == self.call.group.epoch
        assert known.group == {leaf: str(user) for leaf, user in self.call.group.members.items()}

    def _tell(self, op: int, body: bytes) -> None:
        self.talk.frame(b"\0\0" + bytes([op]) + body)

    def _say(self, op: int, body: bytes) -> None:
        self.talk.frame(bytes([op]) + body, from_client=True)


def lived(watched: Watched, chance: Random, epochs: int) -> Iterator[None]:
    """Let people come and go, and stop after each commit."""
    first = PEOPLE[0]
    here, away = [first], PEOPLE[1:]
    watched.come(first)
    watched.propose(watched.call.add(BOT, first))
    watched.announce(chance.choice((BOT, first)))
    yield
    for _ in range(epochs):
        if away and (len(here) < 2 or chance.random() < 0.6):
            chance.shuffle(away)
            count = chance.randint(1, min(3, len(away)))
            come, away = away[:count], away[count:]
            watched.come(*come)
            watched.propose(watched.call.add(*come))
            watched.announce(chance.choice((BOT, *here)))
            here += come
        else:
            chance.shuffle(here)
            count = chance.randint(1, len(here) - 1)
            go, here = here[:count], here[count:]
            watched.leave(*go)
            watched.propose(watched.call.remove(*go))
            watched.announce(chance.choice((BOT, *here)))
            away += go
        yield


@pytest.mark.parametrize("library", [Library, Libdave])
@pytest.mark.parametrize("seed", range(3))
def test_the_witness_knows_the_group_that_the_library_knows(library: type[Library], seed: int) -> None:
    watched = Watched(library)
    for _ in lived(watched, Random(seed), 14):
        watched.agree()
    assert [each for each in found(watched.talk) if each.rule.startswith("dave-")] == []
    last = [event.note for event in events_of(watched.talk) if event.op == 29][-1] or ""
    assert last.startswith(f"epoch 15: {len(watched.call.group.members)} members, by ")


@pytest.mark.parametrize("library", [Library, Libdave])
def test_the_witness_begins_anew_with_a_new_group(library: type[Library]) -> None:
    watched = Watched(library)
    for _ in lived(watched, Random(7), 3):
        pass
    watched.start_over()
    assert state(watched.talk).group is None
    guests = [who for who in PEOPLE if who["id"] in watched.people]
    watched.propose(watched.call.add(BOT, *guests))
    watched.announce(BOT)
    watched.agree()
    assert [each.rule for each in found(watched.talk) if each.rule.startswith("dave-")] == ["dave-group-replaced"]
