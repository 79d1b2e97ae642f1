"""What every row of the built-in tables must have."""

import csv
from collections.abc import Callable
from pathlib import Path

import pytest

from inspector import errors
from inspector.protocol import registry
from inspector.session.summarize import compile_template

TABLES = registry.load()
KNOWN = Path(__file__).with_name("known_numbers.tsv")

_NAMES: dict[str, Callable[[str], list[str]]] = {
    "gateway_opcodes": lambda number: [row.name for row in TABLES.opcodes("gateway", int(number))],
    "voice_opcodes": lambda number: [row.name for row in TABLES.opcodes("voice", int(number))],
    "remote_auth_opcodes": lambda word: [str(row.number) for row in TABLES.opcodes("remote-auth", word)],
    "rpc_commands": lambda word: [row.name for row in TABLES.opcodes("rpc", word)],
    "gateway_close_codes": lambda number: [row.name for row in TABLES.close_codes("gateway", int(number))],
    "voice_close_codes": lambda number: [row.name for row in TABLES.close_codes("voice", int(number))],
    "websocket_close_codes": lambda number: [row.name for row in TABLES.close_codes("websocket", int(number))],
    "rpc_errors": lambda number: [row.name for row in TABLES.rpc_errors.values() if row.number == int(number)],
    "intents": lambda bit: [row.name for row in TABLES.intents if row.bit == int(bit)],
    "capabilities": lambda bit: [row.name for row in TABLES.capabilities if row.bit == int(bit)],
    "dispatch_events": lambda _: list(TABLES.events),
}


def test_every_known_number_is_there_under_its_name() -> None:
    with KNOWN.open(encoding="utf-8", newline="") as file:
        rows = list(csv.DictReader(file, delimiter="\t"))
    assert len(rows) > 500
    missing = [tuple(row.values()) for row in rows if row["name"] not in _NAMES[row["table"]](row["number"])]
    assert missing == []


def test_every_row_has_a_meaning_and_a_source() -> None:
    told = [*TABLES.opcodes(), *TABLES.close_codes(), *TABLES.events.values(), *TABLES.terms]
    assert [row.name for row in told if not row.meaning.endswith(".")] == []
    sourced = [*told, *TABLES.intents, *TABLES.capabilities, *TABLES.secrets, *TABLES.rpc_errors.values()]
    sourced += [*TABLES.value_sets, *TABLES.limits]
    assert [row for row in sourced if not row.source] == []


def test_every_source_has_an_address() -> None:
    without = {source.id for source in TABLES.sources.values() if not source.url.startswith("https://")}
    assert without == {"derived", "observed", "user"}


def test_every_close_code_in_use_says_why_and_what_to_do() -> None:
    for code in TABLES.close_codes():
        if code.status == "current":
            assert all((code.cause, code.remedy, code.look_at, code.basis)), code


def test_where_nobody_may_reconnect_nobody_may_resume() -> None:
    assert [code for code in TABLES.close_codes() if code.reconnect is False and code.resume is not False] == []


def test_the_codes_that_end_all_attempts_are_those_of_the_documentation() -> None:
    final = {code.number for code in TABLES.close_codes("gateway") if code.official and code.reconnect is False}
    assert final == {4004, 4010, 4011, 4012, 4013, 4014}


def test_three_websocket_codes_and_the_reserved_one_never_stand_in_a_close_frame() -> None:
    codes = TABLES.close_codes("websocket")
    assert {code.number for code in codes if not code.on_wire} == {1004, 1005, 1006, 1015}


def test_the_mls_opcodes_are_the_binary_ones() -> None:
    """29 too, which some tables list as JSON."""
    assert {row.number for row in TABLES.opcodes("voice") if row.frame == "binary"} == {25, 26, 27, 28, 29, 30}


def test_only_one_number_of_a_plane_serves_two_opcodes() -> None:
    shared = {(row.plane, row.number) for row in TABLES.opcodes() if len(TABLES.opcodes(row.plane, row.number)) > 1}
    assert shared == {("voice", 11), ("remote-auth", "nonce_proof")}


@pytest.mark.parametrize("row", [row for row in TABLES.opcodes() if row.summary], ids=lambda row: row.name)
def test_every_summary_is_a_template(row: registry.Opcode) -> None:
    assert row.summary is not None
    assert callable(compile_template(row.summary))


def test_every_error_of_ours_has_more_to_say() -> None:
    kinds = [errors.GwinspectError]
    for kind in kinds:
        kinds.extend(kind.__subclasses__())
    ours = {kind.slug for kind in kinds if kind.__module__ == errors.__name__}
    assert set(TABLES.errors) == ours
    assert all(note.meaning and note.remedy for note in TABLES.errors.values())
