"""stdout, stderr and stdin as others leave them: nobody reads, no room, closed, a terminal that knows only ASCII."""

import os
from pathlib import Path

import pytest

from .processes import ROOT, Home, write_large

pytestmark = pytest.mark.e2e

SAMPLE = ROOT / "sample_captures" / "hostile.gwcap"
# Every locale that there may be takes these names; the second one is no text in any.
NAMES = (b"plain.gwcap", b"\xff\x1b[31m.gwcap", "größe🎉.gwcap".encode())
PRINTERS = {
    "show": ["show", "CAPTURE"],
    "show where": ["show", "CAPTURE", "--where", "not event =~ '*größe🎉*'"],
    "show jsonl": ["show", "CAPTURE", "--format", "jsonl"],
    "stats": ["stats", "CAPTURE"],
    "stats jsonl": ["stats", "CAPTURE", "--format", "jsonl"],
    "diagnose": ["diagnose", "CAPTURE", "--fail-on", "never"],
    "diagnose jsonl": ["diagnose", "CAPTURE", "--fail-on", "never", "--format", "jsonl"],
    "diagnose junit": ["diagnose", "CAPTURE", "--fail-on", "never", "--format", "junit"],
    "sql": ["sql", "CAPTURE", "select id, 'é🎉', payload(id) from event"],
    "sql csv": ["sql", "CAPTURE", "select id, 'é🎉', payload(id) from event", "--format", "csv"],
    "sql jsonl": ["sql", "CAPTURE", "select id, 'é🎉', payload(id) from event", "--format", "jsonl"],
    "explain": ["explain", "rules"],
    "addon": ["addon"],
    "help": ["show", "--help"],
    "version": ["--version"],
}
ASCII = {"LANG": "C", "LC_ALL": "C", "PYTHONUTF8": "0", "PYTHONCOERCECLOCALE": "0"}


@pytest.fixture
def home(tmp_path: Path) -> Home:
    return Home(tmp_path / "home")


def arguments(name: str, capture: Path | bytes) -> list[str | bytes | Path]:
    return [capture if word == "CAPTURE" else word for word in PRINTERS[name]]


@pytest.mark.parametrize("name", ["show", "show jsonl", "sql", "sql csv", "sql jsonl"])
def test_a_reader_that_has_seen_enough_is_no_failure(home: Home, tmp_path: Path, name: str) -> None:
    large = write_large(tmp_path / "large.gwcap", 5_000)
    done = home.shell('"$@" | head -n 1; echo "${PIPESTATUS[0]}"', *arguments(name, large))
    assert done.stdout.splitlines()[-1] == b"0"
    assert done.stderr == b""


@pytest.mark.parametrize("name", PRINTERS)
def test_nobody_reads_at_all(home: Home, name: str) -> None:
    done = home.shell('{ sleep 1.5; "$@"; echo $? >&2; } | true', *arguments(name, SAMPLE))
    assert done.stderr == b"0\n"


def test_what_was_found_counts_though_its_reader_has_seen_enough(home: Home) -> None:
    capture = ROOT / "sample_captures" / "message-content.gwcap"
    done = home.shell('{ sleep 1; "$@"; echo $? >&2; } | true', "diagnose", capture)
    assert done.stderr == b"1\n"


@pytest.mark.parametrize(
    ("where", "sentence"),
    [
        (">/dev/full", b"gwinspect: stdout cannot be written (No space left on device), so the output is incomplete; "),
        (">&-", b"gwinspect: stdout is closed, so nothing can be printed; "),
    ],
)
@pytest.mark.parametrize("name", PRINTERS)
def test_a_stdout_that_takes_nothing_is_said_in_a_sentence(home: Home, name: str, where: str, sentence: bytes) -> None:
    done = home.shell(f'"$@" {where}; code=$?; exit $code', *arguments(name, SAMPLE))
    assert done.returncode == 2
    assert done.stderr.startswith(sentence)
    assert done.stderr.count(b"\n") == 2


@pytest.mark.parametrize("name", PRINTERS)
def test_a_closed_stdin_and_stderr_change_nothing(home: Home, name: str) -> None:
    usual = home.run(*arguments(name, SAMPLE))
    done = home.shell('"$@" 2>&- <&-', *arguments(name, SAMPLE))
    assert (done.returncode, done.stdout) == (0, usual.stdout)
    assert done.stdout


def test_an_error_that_nobody_can_read_has_its_exit_code_all_the_same(home: Home) -> None:
    for where in ("2>&-", "2>/dev/full", "2>&- >&- <&-"):
        assert home.shell(f'"$@" {where}', "show", "missing.gwcap").returncode == 2


def test_a_closed_stdout_is_not_a_capture(home: Home) -> None:
    """The next file that is opened gets the number of one that is closed."""
    done = home.shell('"$@" >&- 2>&- <&-', "convert", SAMPLE, "--keep-secrets", "-o", "made.gwcap")
    assert done.returncode == 0
    assert (
        home.run("show", "made.gwcap", "--format", "jsonl").stdout
        == home.run("show", SAMPLE, "--format", "jsonl").stdout
    )


@pytest.mark.parametrize("name", PRINTERS)
def test_any_locale_and_any_name_of_a_file_will_do(home: Home, name: str) -> None:
    for n, capture in enumerate(NAMES if "CAPTURE" in PRINTERS[name] else NAMES[:1]):
        (home.work / os.fsdecode(capture)).write_bytes(SAMPLE.read_bytes())
        # Every printer, wherever it is hardest; where it is easier, one.
        for variables in ({}, ASCII) if name == "show" else (ASCII,):
            done = home.run(*arguments(name, capture), variables=variables)
            assert (done.returncode, b"Traceback" in done.stderr) == (0, False), (n, done.stderr)
            # Text is UTF-8, or escaped where the terminal could not show it.
            done.stdout.decode("utf-8")


@pytest.mark.parametrize("content", [None, b"junk"])
def test_errors_are_said_in_any_locale_whatever_the_file_is_called(home: Home, content: bytes | None) -> None:
    commands = [
        ["show", "CAPTURE"],
        ["show", "--follow", "CAPTURE"],
        ["stats", "CAPTURE"],
        ["diagnose", "CAPTURE"],
        ["convert", "CAPTURE", "-o", "made.gwcap"],
        ["reindex", "CAPTURE"],
        ["sql", "CAPTURE", "select 1"],
        ["open", "CAPTURE"],
        ["run", "--capture", "CAPTURE", "--", "true"],
        ["record", "--capture", "CAPTURE/x.gwcap", "--", "true"],
        ["live", "--capture", "CAPTURE/x.gwcap", "--", "true"],
        ["demo", "plain-json", "--capture", "CAPTURE/x.gwcap"],
        ["doctor", "--confdir", "CAPTURE", "--nonsense"],
        ["explain", "CAPTURE"],
        ["CAPTURE"],
    ]
    capture = NAMES[1]
    if content is not None:
        (home.work / os.fsdecode(capture)).write_bytes(content)
    for command in commands if content is None else commands[:8]:
        words = [word.encode().replace(b"CAPTURE", capture) for word in command]
        done = home.run(*words, variables=ASCII)
        assert done.returncode == 2, (words, done.stderr)
        assert b"Traceback" not in done.stderr, (words, done.stderr)
        assert b"\x1b" not in done.stderr, (words, done.stderr)
        done.stderr.decode("utf-8")
