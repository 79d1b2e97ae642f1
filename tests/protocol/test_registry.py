"""Looking things up, and tables of the user's own."""

import os
import tomllib
from collections.abc import Iterator
from importlib.resources import files
from pathlib import Path

import pytest

from inspector.errors import TableError
from inspector.model import Plane
from inspector.protocol import registry
from inspector.protocol.registry import Opcode, Registry, slug

TABLES = registry.load()


def extended(folder: Path, toml: str) -> Registry:
    """The built-in tables with one file of the user's."""
    path = folder / "mine.toml"
    path.write_text(toml, encoding="utf-8")
    return registry.load([path])


def refusal(folder: Path, toml: str) -> str:
    """What is said of a file that does not hold together."""
    with pytest.raises(TableError) as caught:
        extended(folder, toml)
    return str(caught.value)


def named(opcode: Opcode | None) -> str | None:
    return opcode and opcode.name


@pytest.mark.parametrize(
    ("plane", "number", "from_client", "name"),
    [
        (Plane.GATEWAY, 8, None, "Request Guild Members"),
        (Plane.VOICE, 8, None, "Hello"),
        (Plane.VOICE, 11, None, "Clients Connect"),
        (Plane.VOICE, 11, False, "Clients Connect"),
        (Plane.VOICE, 11, True, "Reset"),
        (Plane.GATEWAY, 11, True, "Heartbeat ACK"),
        (Plane.REMOTE_AUTH, "heartbeat_ack", None, "Heartbeat ACK"),
        (Plane.RPC, "SET_ACTIVITY", True, "SET_ACTIVITY"),
        (Plane.RPC, 0, True, "HANDSHAKE"),
        (Plane.GATEWAY, 97, None, None),
        (Plane.GATEWAY, "hello", None, None),
        (Plane.GATEWAY, None, None, None),
    ],
)
def test_an_opcode_is_found_by_plane_number_and_direction(
    plane: Plane, number: int | str | None, from_client: bool | None, name: str | None
) -> None:
    assert named(TABLES.opcode(plane, number, from_client=from_client)) == name


def test_a_word_can_mean_something_else_in_each_direction() -> None:
    sent = TABLES.opcode(Plane.REMOTE_AUTH, "nonce_proof", from_client=True)
    received = TABLES.opcode(Plane.REMOTE_AUTH, "nonce_proof", from_client=False)
    assert sent is not None
    assert received is not None
    assert (sent.fields, received.fields) == ("{nonce}", "{encrypted_nonce}")


@pytest.mark.parametrize(
    ("op", "name"),
    [(11, "Heartbeat ACK"), (97, "op 97"), (-1, "op -1"), (None, "no op"), ("\x1b[2J", r"op '\x1b[2J'")],
)
def test_every_op_has_something_to_be_called(op: int | str | None, name: str) -> None:
    assert TABLES.name(Plane.GATEWAY, op) == name


def test_a_long_word_for_an_op_is_cut() -> None:
    assert len(TABLES.name(Plane.REMOTE_AUTH, "x" * 100_000)) < 60


@pytest.mark.parametrize(
    ("plane", "number", "name"),
    [
        (Plane.GATEWAY, 4014, "Disallowed intent(s)"),
        (Plane.VOICE, 4014, "Disconnected"),
        (Plane.VOICE, 1006, "Abnormal Closure"),
        (Plane.REMOTE_AUTH, 1000, "Normal"),
        (Plane.RPC, 4005, "INVALID_ENCODING"),
    ],
)
def test_a_close_code_means_something_together_with_its_plane(plane: Plane, number: int, name: str) -> None:
    code = TABLES.close_code(plane, number)
    assert code is not None
    assert code.name == name


def test_what_a_client_calls_its_own_close_code_is_not_known() -> None:
    names = [TABLES.close_name(Plane.GATEWAY, 4000, side) for side in ("server", "client", None)]
    assert names == ["Unknown error", "", "Unknown error"]
    assert TABLES.close_name(Plane.GATEWAY, 1000, "client") == "Normal Closure"
    assert TABLES.close_name(Plane.GATEWAY, 4999, "server") == ""


def test_an_unknown_close_code_is_nothing_unusual() -> None:
    assert TABLES.close_code(Plane.GATEWAY, 4999) is None


def test_what_is_not_known_is_neither_yes_nor_no() -> None:
    codes = {code.number: code for code in TABLES.close_codes("gateway")}
    assert (codes[4015].reconnect, codes[4005].resume, codes[4009].resume, codes[4000].resume) == (
        None,
        None,
        False,
        True,
    )


def test_an_intents_value_is_split_into_names_and_unknown_bits() -> None:
    known, unknown = TABLES.intents_of(33281 | 1 << 30)
    assert [intent.name for intent in known] == ["GUILDS", "GUILD_MESSAGES", "MESSAGE_CONTENT"]
    assert unknown == [30]


@pytest.mark.parametrize("value", [0, -1, -(1 << 70)])
def test_a_value_without_bits_has_no_intents(value: int) -> None:
    assert TABLES.intents_of(value) == ([], [])


def test_an_absurd_intents_value_gives_no_more_than_64_bits() -> None:
    known, unknown = TABLES.intents_of((1 << 100_000) - 1)
    assert len(known) + len(unknown) == 64


def test_a_capabilities_value_is_split_likewise() -> None:
    known, unknown = TABLES.capabilities_of(1734653 | 1 << 18)
    assert [row.bit for row in known] == [0, 2, 3, 4, 5, 6, 7, 8, 9, 10, 12, 13, 14, 17, 19, 20]
    assert unknown == [18]


def test_names_can_be_written_as_filters_do() -> None:
    assert [slug(name) for name in ("Heartbeat ACK", "heartbeat-ack", " HEARTBEAT_ACK ")] == ["heartbeat_ack"] * 3


def test_a_row_of_the_user_adds_an_opcode(tmp_path: Path) -> None:
    tables = extended(
        tmp_path,
        '[[opcode]]\nplane = "gateway"\nnumber = 97\nname = "Frobnicate"\n'
        'direction = "send"\nstatus = "current"\nmeaning = "Nobody knows."\n',
    )
    opcode = tables.opcode("gateway", 97)
    assert opcode is not None
    assert (opcode.name, opcode.source, tables.name("gateway", 97)) == ("Frobnicate", ("user",), "Frobnicate")


def test_a_row_of_the_user_overrides_what_it_names_and_keeps_the_rest(tmp_path: Path) -> None:
    tables = extended(tmp_path, '[[opcode]]\nplane = "gateway"\nnumber = 8\nmeaning = "Ask for people."\n')
    opcode, before = tables.opcode("gateway", 8), TABLES.opcode("gateway", 8)
    assert opcode is not None
    assert before is not None
    assert (opcode.meaning, opcode.name, opcode.fields) == ("Ask for people.", before.name, before.fields)
    assert opcode.source == ("user", *before.source)
    assert len(tables.opcodes("gateway")) == len(TABLES.opcodes("gateway"))


def test_a_close_code_of_a_plane_can_be_added_over_that_of_websocket(tmp_path: Path) -> None:
    tables = extended(
        tmp_path,
        '[[close_code]]\nplane = "voice"\nnumber = 1006\nname = "Gone"\nstatus = "current"\nmeaning = "It is gone."\n',
    )
    names = [code.name for plane in ("voice", "gateway") if (code := tables.close_code(plane, 1006))]
    assert names == ["Gone", "Abnormal Closure"]


def test_a_file_of_the_user_can_bring_its_own_source(tmp_path: Path) -> None:
    tables = extended(
        tmp_path, '[[secret]]\nkey = "pin"\nsource = ["manual"]\n[[source]]\nid = "manual"\ntitle = "A manual"\n'
    )
    assert tables.secrets[-1].source == ("manual",)


def test_later_files_override_earlier_ones(tmp_path: Path) -> None:
    for name in ("a", "b"):
        (tmp_path / f"{name}.toml").write_text(f'[[intent]]\nbit = 0\nname = "{name}"\n', encoding="utf-8")
    assert registry.load([tmp_path / "a.toml", tmp_path / "b.toml"]).intents[0].name == "b"


@pytest.mark.parametrize(
    ("toml", "said"),
    [
        ("[[opcode", "is not TOML in UTF-8: "),
        pytest.param("x = " + "[" * 100_000, "is nested too deeply; ", id="nested"),
        ("[[opcodes]]\n", "no table is called 'opcodes'; expected opcode"),
        ("opcode = 1\n", "opcode is not an array of tables; begin each of its rows with [[opcode]]"),
        ("[[intent]]\nbit = 0\nname = 7\n", "[[intent]] number 1 (bit 0): its name is 7; expected text"),
        ("[[intent]]\nbit = true\n", "[[intent]] number 1 (bit True): its bit is True; expected a whole number"),
        ("[[intent]]\nbit = 0\nbots = 1\n", "its bots is 1; expected true or false"),
        ('[[intent]]\nbit = 0\nevents = "A"\n', "its events is 'A'; expected a list, each text"),
        ('[[event]]\nname = "READY"\nids = { guild = 1 }\n', "its ids is {'guild': 1}; expected a table of texts"),
        (
            '[[opcode]]\nplane = "gate"\nnumber = 1\n',
            "its plane is 'gate'; expected 'gateway' or 'voice' or 'remote-auth' or 'rpc'",
        ),
        (
            '[[close_code]]\nplane = "gateway"\nnumber = 4014\nreconect = true\n',
            "[[close_code]] number 1 (plane 'gateway', number 4014): 'reconect' is not one of its keys; "
            "expected reconnect",
        ),
        ('[[capability]]\nbit = 40\nname = "NEW"\n', "[[capability]] number 1 (bit 40): a new row lacks effect"),
        ('[[opcode]]\nname = "X"\n', "a new row lacks plane, number, direction, meaning"),
        ('[[opcode]]\nplane = "voice"\nnumber = 11\n', "several opcodes have that number; add the direction"),
        ('[[secret]]\nkey = "x"\nsource = ["nowhere"]\n', "there is no source 'nowhere'; expected the id of"),
        ("[[intent]]\nbit = 0\n[[intent]]\nbit = 0\n", "[[intent]] number 2 (bit 0): it appears twice"),
    ],
)
def test_a_bad_table_is_refused_with_the_row_and_what_was_expected(tmp_path: Path, toml: str, said: str) -> None:
    message = refusal(tmp_path, toml)
    assert message.startswith(str(tmp_path / "mine.toml"))
    assert said in message
    assert "\n" not in message


def test_a_table_that_is_not_text_is_refused(tmp_path: Path) -> None:
    (tmp_path / "mine.toml").write_bytes(b"\xff\xfe")
    with pytest.raises(TableError, match="is not TOML in UTF-8"):
        registry.load([tmp_path / "mine.toml"])


def test_a_table_that_is_not_there_is_refused(tmp_path: Path) -> None:
    with pytest.raises(TableError, match=r"none\.toml cannot be read: "):
        registry.load([tmp_path / "none.toml"])


@pytest.fixture
def fresh_default() -> Iterator[None]:
    """`default` without what it remembers from elsewhere, and nothing remembered for elsewhere."""
    registry.default.cache_clear()
    yield
    registry.default.cache_clear()


@pytest.mark.usefixtures("fresh_default")
def test_default_reads_the_files_and_folders_that_the_environment_names(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = tmp_path / "folder"
    folder.mkdir()
    (folder / "a.toml").write_text('[[intent]]\nbit = 0\nname = "FROM_FOLDER"\n', encoding="utf-8")
    (folder / "notes.txt").write_text("no table", encoding="utf-8")
    (tmp_path / "b.toml").write_text('[[intent]]\nbit = 1\nname = "FROM_FILE"\n', encoding="utf-8")
    monkeypatch.setenv("GWINSPECT_TABLES", f"{folder}{os.pathsep}{tmp_path / 'b.toml'}")
    assert [intent.name for intent in registry.default().intents[:2]] == ["FROM_FOLDER", "FROM_FILE"]
    assert registry.default() is registry.default()


@pytest.mark.usefixtures("fresh_default")
def test_default_refuses_an_environment_that_names_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("GWINSPECT_TABLES", str(tmp_path / "gone"))
    with pytest.raises(TableError, match=r"GWINSPECT_TABLES names .*gone, which does not exist"):
        registry.default()


@pytest.mark.usefixtures("fresh_default")
def test_default_reads_the_config_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("GWINSPECT_TABLES", raising=False)
    monkeypatch.setattr("platformdirs.user_config_path", lambda *_, **__: tmp_path)
    assert registry.default().intents[0].name == "GUILDS"
    registry.default.cache_clear()
    (tmp_path / "tables").mkdir()
    (tmp_path / "tables" / "mine.toml").write_text('[[intent]]\nbit = 0\nname = "MINE"\n', encoding="utf-8")
    assert registry.default().intents[0].name == "MINE"


def test_a_user_row_for_something_new_needs_little(tmp_path: Path) -> None:
    own = tmp_path / "own.toml"
    own.write_text(
        '[[opcode]]\nplane = "gateway"\nnumber = 97\nname = "Observed Thing"\n'
        'direction = "receive"\nmeaning = "Seen once."\n'
        '[[event]]\nname = "OBSERVED"\nmeaning = "Seen once."\n',
        encoding="utf-8",
    )
    known = registry.load([own])
    assert known.name("gateway", 97) == "Observed Thing"
    assert known.event("OBSERVED").source == ("user",)


def test_compiled_tables_say_what_their_toml_says() -> None:
    for entry in (files("inspector.protocol") / "tables").iterdir():
        if entry.name.endswith(".toml"):
            assert registry._built_in(entry) == tomllib.loads(entry.read_text("utf-8"))


def test_a_table_that_changes_is_compiled_again(tmp_path: Path) -> None:
    path = tmp_path / "own.toml"
    for name in ("ONE", "ANOTHER"):
        path.write_text(f'[[intent]]\nbit = 0\nname = "{name}"\n', encoding="utf-8")
        for _ in range(2):
            assert registry._built_in(path) == {"intent": [{"bit": 0, "name": name}]}


def test_a_table_that_cannot_be_compiled_is_named(tmp_path: Path) -> None:
    path = tmp_path / "own.toml"
    path.write_text("[[intent", encoding="utf-8")
    with pytest.raises(TableError, match=r"own\.toml is not TOML in UTF-8"):
        registry._built_in(path)
