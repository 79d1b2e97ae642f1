"""All rules, in the order in which they are asked and listed. A rule that is not named here does not exist."""

from inspector.diagnose import forms, heartbeats, logins, sequence, transport
from inspector.diagnose.rule import Rule

RULES: tuple[Rule, ...] = (
    # How messages crossed the wire.
    transport.undecodable,
    transport.connection_refused,
    transport.changed_by_proxy,
    transport.joined_late,
    # What the server sends.
    forms.field_form_changed,
    # Heartbeats.
    heartbeats.heartbeat_late,
    heartbeats.heartbeat_overdue,
    heartbeats.heartbeat_never_began,
    heartbeats.first_heartbeat_late,
    heartbeats.first_heartbeat_unjittered,
    heartbeats.heartbeat_ack_missing,
    heartbeats.zombie_closed,
    heartbeats.heartbeat_request_unanswered,
    heartbeats.heartbeat_request_acknowledged,
    heartbeats.heartbeat_seq_wrong,
    heartbeats.heartbeat_flood,
    heartbeats.ack_without_heartbeat,
    # Beginning, resuming and ending sessions.
    logins.identify_before_hello,
    logins.identify_twice,
    logins.identify_malformed,
    logins.identify_without_intents,
    logins.command_before_ready,
    logins.resume_unknown_session,
    logins.resume_wrong_seq,
    logins.resume_stale_seq,
    logins.resume_at_wrong_url,
    logins.resume_parameters_changed,
    logins.resume_after_destroying,
    logins.resume_after_end,
    logins.identify_instead_of_resume,
    logins.resume_loop,
    logins.identify_storm,
    logins.identify_budget,
    logins.invalid_session_ignored,
    logins.invalid_session_answered_too_soon,
    logins.invalid_session,
    logins.identify_spacing,
    logins.reconnect_ignored,
    logins.session_thrown_away,
    logins.no_identify,
    logins.login_slow,
    # Numbers of events.
    sequence.seq_gap,
    sequence.seq_not_rising,
    sequence.seq_missing,
    sequence.resume_lost_events,
    sequence.event_before_ready,
    sequence.event_outside_shard,
)
