"""What a scenario is: a script, and what is next to it."""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass, replace
from typing import Literal

from inspector.simulator.server.stage import Discord

Script = Callable[[Discord], Awaitable[None]]


@dataclass(frozen=True, slots=True)
class Scenario:
    """A script, and what the scripted client has to know to play along."""

    name: str
    title: str
    shows: str
    """What one sees in it, in a sentence."""
    script: Script
    client: Literal["any", "scripted"] = "any"
    """``scripted``: a library cannot be made to ask for what this shows, or would stumble."""
    encoding: Literal["json", "etf"] = "json"
    compress: Literal["zlib-stream", "zstd-stream"] | None = None
    """Transport compression that the scripted client asks for."""
    compress_payloads: bool = False
    """Whether the scripted client's Identify asks for payload compression."""
    connections: int = 1
    """How many connections to the main gateway the scripted client makes at most before it is done."""
    voice_version: int = 8
    """``v`` of the scripted client's voice connections, 4 to 9."""
    media: bool = False
    """Whether there is sound in its calls, over UDP."""
    dave: bool = False
    """Whether calls are end-to-end encrypted, which takes davey."""
    stubborn: bool = False
    """Whether the scripted client joins again however its voice connection was closed, as some libraries do."""
    negligent: bool = False
    """Whether the scripted client leaves out what it owes in an encrypted call: to say that it is ready, and a new key
    package where it could not use a commit."""
    client_fault: str | None = None
    """What the scripted client does wrong: a key of `inspector.simulator.client.manners.FAULTS`."""
    gives: tuple[str, ...] = ()
    """Ids of what is to be noticed in it when it is played at its own pace, the worst first."""
    shards: tuple[tuple[int, int], ...] = ((0, 1),)
    """What the scripted client is, number and count. If there are more, it is a client for each, all at once: the next
    one begins when the one before has its READY."""
    healthy: Script | None = None
    """The same without the fault, where that is to be seen as well."""

    def sibling(self) -> "Scenario":
        """Return the scenario `healthy` makes, in which there is nothing to warn of. There must be one."""
        assert self.healthy is not None
        return replace(
            self,
            name=f"{self.name}-healthy",
            title=f"{self.title}: as it should be",
            script=self.healthy,
            client_fault=None,
            gives=(),
            healthy=None,
        )
