"""What DAVE's proposals and commits say, and who is in a group after them.

Whatever is in a body, reading it never raises. Source: https://www.rfc-editor.org/rfc/rfc9420, sections 7.7 and 12.
"""

from collections.abc import Iterable, Iterator
from typing import Any, NamedTuple

from inspector.session.messages import At, name, whole

# People of a call that are remembered.
MAX_MEMBERS = 512


class Proposed(NamedTuple):
    """A proposal of the server's."""

    n: int
    at_ns: int
    epoch: int | None
    kind: int | str | None
    """``add`` or ``remove``; no others are allowed."""
    user: str | None = None
    """Whom it adds."""
    leaf: int | None = None
    """Which leaf it removes."""
    package: str | None = None
    """Reference to the key package by which it adds."""
    revoked: At | None = None


def number_in(d: Any, key: str) -> int | None:
    """Return a number of a body; DAVE's epoch comes as text too."""
    value = d.get(key) if type(d) is dict else None
    if type(value) is str and value.isascii() and value.isdigit() and len(value) < 20:
        return int(value)
    return whole(value)


def inner(d: Any, *keys: str) -> Any:
    """Return what is in a body under these keys, one below the other; None where nothing does."""
    for key in keys:
        d = d.get(key) if type(d) is dict else None
    return d


def references(d: Any) -> list[str]:
    """Return the references of a commit (op 28 or 29), in its order."""
    listed = inner(d, "commit", "public_message", "commit", "proposals")
    found = (inner(each, "reference") for each in listed) if type(listed) is list else ()
    return [each for each in found if type(each) is str]


def read_proposals(d: Any, at: At) -> Iterator[tuple[str, Proposed]]:
    """Yield the proposals of an op 27 by their references; those without one cannot be committed."""
    listed = inner(d, "proposals")
    for each in listed if type(listed) is list else ():
        ref, package = inner(each, "ref"), inner(each, "message", "public_message", "proposal", "key_package", "ref")
        if type(ref) is str:
            epoch = number_in(inner(each, "message", "public_message"), "epoch")
            user, leaf = name(inner(each, "user_id")), number_in(each, "removed")
            package = package if type(package) is str else None
            yield ref, Proposed(at.n, at.at_ns, epoch, inner(each, "type"), user, leaf, package)


def changed(group: dict[int, str], taken: Iterable[Proposed | None]) -> dict[int, str] | None:
    """Return who is in a group after a commit that takes up these proposals, in its order; None where that is unknown.

    Who is removed goes first; who is added gets the first leaf that is free.
    """
    made, added = dict(group), list[str]()
    for proposal in taken:
        if proposal is not None and proposal.kind == "remove" and proposal.leaf in made:
            del made[proposal.leaf]
        elif proposal is not None and proposal.kind == "add" and proposal.user is not None:
            added.append(proposal.user)
        else:
            return None
    for user in added:
        made[next(leaf for leaf in range(len(made) + 1) if leaf not in made)] = user
    return made if len(made) <= MAX_MEMBERS else None
