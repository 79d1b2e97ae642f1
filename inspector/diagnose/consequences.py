"""Which findings follow from which: one cause, seen again and again, is one thing to mend.

A heartbeat that is late leads to a 4009; whoever reads of both has to mend the first. Where one of the findings listed
here comes soon after its cause on the same connection or session, or one of the two speaks of rows of the other, both
are one case; see `inspector.analysis.cases`.
"""

CONSEQUENCES: dict[str, tuple[str, ...]] = {
    # The recording itself.
    "recording-gap": ("seq-gap", "voice-seq-gap", "resume-lost-events"),
    "changed-by-proxy": ("undecodable", "seq-gap", "seq-not-rising"),
    # Heartbeats.
    "heartbeat-never-began": ("heartbeat-overdue", "close-4009", "voice-close-4009"),
    "first-heartbeat-late": ("heartbeat-overdue", "close-4009", "voice-close-4009"),
    "heartbeat-overdue": ("heartbeat-late", "close-4009", "voice-close-4009"),
    "heartbeat-late": ("close-4009", "voice-close-4009"),
    "heartbeat-request-unanswered": ("close-4009",),
    "heartbeat-request-acknowledged": ("close-4001",),
    "heartbeat-ack-missing": ("zombie-closed", "close-1000", "close-1006", "close-4009", "voice-close-1006"),
    "zombie-closed": ("close-1000", "close-4000"),
    "heartbeat-flood": ("send-budget", "ack-without-heartbeat", "close-4008"),
    # Sessions.
    "identify-twice": ("identify-spacing", "close-4005"),
    "identify-malformed": ("close-4002", "close-4010", "close-4013"),
    "identify-without-intents": ("close-4002", "close-4013"),
    "command-before-ready": ("close-4003",),
    "no-identify": ("close-4003", "close-4009"),
    "resume-unknown-session": ("invalid-session", "resume-after-end", "resume-loop", "resume-wrong-seq", "close-4006"),
    "resume-wrong-seq": ("invalid-session", "resume-loop", "close-4007"),
    "resume-at-wrong-url": ("invalid-session", "resume-loop"),
    "resume-after-destroying": ("invalid-session", "resume-loop", "close-4006"),
    "resume-after-end": ("invalid-session", "resume-loop", "close-4006"),
    "resume-loop": ("invalid-session", "close-1005", "close-1006", "close-4000"),
    "session-thrown-away": ("close-1000", "close-1001", "identify-instead-of-resume"),
    "reconnect-ignored": ("session-thrown-away", "close-4000"),
    "invalid-session-ignored": ("command-before-ready", "no-identify", "close-4003"),
    "identify-storm": (
        "identify-spacing",
        "identify-budget",
        "invalid-session",
        "close-1005",
        "close-1006",
        "close-4000",
    ),
    "resumed-and-left": ("resume-loop", "close-1000", "close-4000"),
    "resume-url-dead": ("connection-refused", "client-never-returned"),
    "same-shard-twice": ("invalid-session", "identify-spacing", "identify-storm"),
    "resume-of-other-shard": ("invalid-session", "same-shard-twice", "resume-loop"),
    "cut-at-equal-age": ("close-1001", "close-1006"),
    "login-unanswered": ("login-slow", "guilds-missing", "client-never-returned"),
    # Closes that come again for as long as nothing is mended.
    "close-4004": ("identify-storm", "identify-spacing"),
    "close-4010": ("identify-storm", "identify-spacing"),
    "close-4011": ("identify-storm", "identify-spacing"),
    "close-4012": ("identify-storm", "identify-spacing"),
    "close-4013": ("identify-storm", "identify-spacing"),
    "close-4014": ("identify-storm", "identify-spacing"),
    # What clients send.
    "send-budget": ("rate-limited", "close-4008"),
    "presence-flood": ("send-budget", "rate-limited", "close-4008"),
    "oversize-payload": ("close-4002",),
    "members-malformed": ("invalid-session", "members-unanswered"),
    "members-over-limit": ("members-unanswered",),
    "members-need-intent": ("members-unanswered",),
    "rate-limited": ("members-unanswered", "members-cut-short", "join-unanswered"),
    "join-needs-intent": ("join-unanswered",),
    "retired-opcode-sent": ("close-4001",),
    "receive-only-opcode-sent": ("close-4001",),
    "odd-payload": ("close-4002",),
    "version-in-url": ("close-4012",),
    "intents-undefined": ("close-4013",),
    "intents-user-only": ("close-4013",),
    # The voice gateway.
    "voice-heartbeat-shape": ("voice-close-4020",),
    "voice-seq-ack-wrong": ("voice-close-4020",),
    "voice-identify-twice": ("voice-close-4005",),
    "voice-command-too-early": ("voice-close-4003",),
    "voice-mode-not-offered": ("voice-handshake-stuck", "voice-close-4016"),
    "voice-protocol-unknown": ("voice-handshake-stuck", "voice-close-4012"),
    "voice-identify-instead-of-resume": ("voice-close-4006",),
    "voice-stale-credentials": ("voice-close-4004", "voice-close-4006"),
    "voice-wrong-endpoint": ("voice-close-4006",),
    "voice-without-dave": ("voice-close-4017",),
    "voice-close-4017": ("voice-rejoin-loop",),
    "voice-handshake-stuck": ("voice-close-4009",),
    "voice-server-lost": ("voice-never-connected",),
    "media-discovery-malformed": ("media-address-unanswered", "voice-handshake-stuck"),
    "media-address-unanswered": ("voice-handshake-stuck",),
    # End-to-end encryption.
    "voice-binary-as-text": ("voice-close-4001", "voice-close-4002"),
    "dave-credential-mismatch": ("dave-key-package-missing", "dave-proposals-unanswered"),
    "dave-key-package-missing": ("dave-executed-unready",),
    "dave-commit-ignored": ("dave-transition-not-ready", "dave-executed-unready"),
    "dave-commit-incomplete": ("dave-commit-rejected",),
    "dave-commit-unknown-proposal": ("dave-commit-rejected",),
    "dave-commit-rejected": ("dave-key-package-missing",),
    "dave-epoch-jump": ("dave-commit-unknown-proposal", "dave-commit-rejected"),
    "dave-transition-not-ready": ("dave-executed-unready",),
    "dave-downgrade": ("dave-passthrough",),
}
"""Each cause, and what may follow from it. Free of cycles."""


OUTSIDE: frozenset[str] = frozenset(
    {
        # The recording, and the proxy.
        "recording-gap",
        "joined-late",
        "changed-by-proxy",
        "resume-past-proxy",
        "session-left-proxy",
        # The network, and what is on the way.
        "connection-refused",
        "resume-url-dead",
        "cut-at-equal-age",
        "close-1006",
        "voice-close-1006",
        # Discord: servers that restart, are slow, are lost, or say what nobody knows.
        "close-1001",
        "close-1011",
        "close-1012",
        "voice-close-1001",
        "voice-close-4015",
        "voice-server-lost",
        "login-slow",
        "login-unanswered",
        "guild-unavailable",
        "unknown-name",
        "field-form-changed",
        "send-only-opcode-received",
    }
)
"""What lies outside of all clients: where it meets several accounts, that is one thing and not one of each."""


def _turned(table: dict[str, tuple[str, ...]]) -> dict[str, tuple[str, ...]]:
    turned: dict[str, list[str]] = {}
    for cause, consequences in table.items():
        for consequence in consequences:
            turned.setdefault(consequence, []).append(cause)
    return {consequence: tuple(causes) for consequence, causes in turned.items()}


CAUSES_OF: dict[str, tuple[str, ...]] = _turned(CONSEQUENCES)
"""The same, from the consequence."""
