"""Opcodes by name, those that code speaks of; the tables have all, with what they mean.

The names are those of the tables, the long ones cut. Opcodes mean something only together with their plane.
"""

from enum import IntEnum


class GatewayOp(IntEnum):
    """Opcodes of the main gateway: https://docs.discord.com/developers/topics/opcodes-and-status-codes#gateway"""

    DISPATCH = 0
    HEARTBEAT = 1
    IDENTIFY = 2
    PRESENCE_UPDATE = 3
    VOICE_STATE_UPDATE = 4
    RESUME = 6
    RECONNECT = 7
    REQUEST_GUILD_MEMBERS = 8
    INVALID_SESSION = 9
    HELLO = 10
    HEARTBEAT_ACK = 11
    QOS_HEARTBEAT = 40
    UPDATE_TIME_SPENT_SESSION_ID = 41


class VoiceOp(IntEnum):
    """Opcodes of the voice gateway: https://docs.discord.com/developers/topics/opcodes-and-status-codes#voice"""

    IDENTIFY = 0
    SELECT_PROTOCOL = 1
    READY = 2
    HEARTBEAT = 3
    SESSION_DESCRIPTION = 4
    SPEAKING = 5
    HEARTBEAT_ACK = 6
    RESUME = 7
    HELLO = 8
    RESUMED = 9
    CLIENTS_CONNECT = 11
    VIDEO = 12
    CLIENT_DISCONNECT = 13
    DAVE_PREPARE_TRANSITION = 21
    DAVE_EXECUTE_TRANSITION = 22
    DAVE_TRANSITION_READY = 23
    DAVE_PREPARE_EPOCH = 24
    MLS_EXTERNAL_SENDER = 25
    MLS_KEY_PACKAGE = 26
    MLS_PROPOSALS = 27
    MLS_COMMIT_WELCOME = 28
    MLS_ANNOUNCE_COMMIT = 29
    MLS_WELCOME = 30
    MLS_INVALID_COMMIT_WELCOME = 31


HEARTBEATS = GatewayOp.HEARTBEAT, GatewayOp.QOS_HEARTBEAT
"""Both kinds of heartbeat that clients of the main gateway send."""
BINARY = frozenset(
    {
        VoiceOp.MLS_EXTERNAL_SENDER,
        VoiceOp.MLS_KEY_PACKAGE,
        VoiceOp.MLS_PROPOSALS,
        VoiceOp.MLS_COMMIT_WELCOME,
        VoiceOp.MLS_ANNOUNCE_COMMIT,
        VoiceOp.MLS_WELCOME,
    }
)
"""Opcodes of the voice gateway whose messages are binary: https://daveprotocol.com/"""
