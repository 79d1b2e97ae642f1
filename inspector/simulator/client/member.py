"""One person's side of an end-to-end encrypted call, by the library that discord.py uses: PyPI's davey.

The rule: no sockets. What arrives is handed in, what is to be sent is handed back; who carries it is another's affair,
so a client on the wire and a guest who lives in the simulator are the same.
"""

from typing import Any

from inspector.errors import EnvironmentProblem
from inspector.simulator.content import Json

VERSION = 1
"""The version of DAVE that is spoken."""


def need_davey() -> Any:
    """Return the module. Raises `EnvironmentProblem` where it is not installed."""
    try:
        import davey
    except ImportError as error:
        raise EnvironmentProblem(
            f"davey is needed to play an end-to-end encrypted call ({error}); install davey and try again"
        ) from error
    return davey


class Member:
    """Someone in a call, or about to be. Raises `EnvironmentProblem` without davey."""

    def __init__(self, who: Json, channel_id: str) -> None:
        self._davey = need_davey()
        self._made_of = (VERSION, int(who["id"]), int(channel_id))
        self.session = self._davey.DaveSession(*self._made_of)
        """davey's ``DaveSession``, to be asked about its epoch and the people in it."""

    def start_over(self) -> None:
        """Forget the group. What is left is the server's key, if it was told."""
        self.session.reinit(*self._made_of)

    def key_package(self) -> bytes:
        """Return a new key package; those before it are of no use from now on."""
        return bytes(self.session.get_serialized_key_package())

    def trust(self, external_sender: bytes) -> None:
        """Take the server's key, as op 25 has it. Within a group it can no longer be changed, and is not."""
        if not self.session.ready:
            self.session.set_external_sender(external_sender)

    def consider(self, proposals: bytes) -> bytes | None:
        """Take proposals, as op 27 has them; return the commit for op 28, or None where there is nothing to commit."""
        types = self._davey.ProposalsOperationType
        try:
            made = self.session.process_proposals(types.revoke if proposals[0] else types.append, proposals[1:])
        except ValueError:
            return None
        return None if made is None else bytes(made.commit + (made.welcome or b""))

    def follow(self, commit: bytes) -> bool:
        """Take a commit that was announced, without its transition id; return whether it could be used."""
        try:
            self.session.process_commit(commit)
        except ValueError:
            return False
        return True

    def encrypt(self, frame: bytes) -> bytes:
        """Return an Opus frame as the people in the call get it: as it is where there is no group."""
        return bytes(self.session.encrypt_opus(frame)) if self.session.ready else frame

    def enter(self, welcome: bytes) -> bool:
        """Take a welcome, without its transition id; return whether it could be used."""
        try:
            self.session.process_welcome(welcome)
        except ValueError:
            return False
        return True
