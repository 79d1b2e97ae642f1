"""All rules, in the order in which they are asked and listed. A rule that is not named here does not exist."""

from inspector.diagnose import dave, forms, heartbeats, transport
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
    # End-to-end encryption.
    dave.dave_transition_not_ready,
    dave.dave_ready_late,
    dave.dave_ready_twice,
    dave.dave_ready_unknown,
    dave.dave_ready_for_zero,
    dave.dave_execute_unannounced,
    dave.dave_executed_unready,
    dave.dave_key_package_missing,
    dave.dave_commit_rejected,
    dave.dave_proposals_unanswered,
    dave.dave_downgrade,
    dave.voice_binary_as_text,
)
