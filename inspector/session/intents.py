"""What comes to a bot whatever its intents are, and which messages came without what an intent lets through.

Source: https://docs.discord.com/developers/events/gateway#gateway-intents
"""

from typing import Any

from inspector.model import Event
from inspector.session.messages import name
from inspector.session.world import Session

# Without the intent these come for the account itself alone; whom they are about, their ids do not always say.
_PARTLY_OWN = ("THREAD_MEMBERS_UPDATE", "GUILD_MEMBER_UPDATE")
# Types of messages that people write: an ordinary one, a reply.
_WRITTEN = (0, 19)
# What MESSAGE_CONTENT lets through.
_CONTENTS = ("content", "embeds", "attachments", "components", "poll")


def comes_anyway(event: Event, session: Session | None) -> bool:
    """Return whether an event comes, or may come, whatever the intents are.

    What concerns the account itself does; so do messages of group DMs, and those that are for the bot alone:
    https://docs.discord.com/developers/events/gateway#gateway-intents
    """
    return (
        event.guild_id is None
        or session is None
        or session.user_id is None
        or str(event.user_id) == session.user_id
        or event.event in _PARTLY_OWN
    )


def is_blank(event: Event, d: Any, session: Session | None) -> bool | None:
    """Return whether a message of a guild came without what MESSAGE_CONTENT lets through.

    None where it tells nothing: the bot gets its own messages whole, and those that mention it; those of the system,
    stickers and messages passed on have no content with the intent either.
    """
    own = session.user_id if session is not None else None
    if type(d) is not dict or own is None or event.guild_id is None or str(event.user_id) == own:
        return None
    mentions = d.get("mentions")
    users = [user for user in mentions if type(user) is dict] if type(mentions) is list else []
    if own in (name(user.get("id")) for user in users) or d.get("type") not in _WRITTEN:
        return None
    if any(d.get(key) for key in _CONTENTS):
        return False
    return None if d.get("sticker_items") or d.get("message_snapshots") else True
