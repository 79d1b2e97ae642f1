"""Each point that the doctor looks at, on real files, ports and programs."""

import datetime
import socket
import sys
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from inspector.proxy import checks
from inspector.proxy.checks import State, check_authority, check_command, check_port, check_runtimes, check_versions
from inspector.proxy.mitmdump import CA_NAME

pytestmark = pytest.mark.compat


def authority(folder: Path, days: int) -> Path:
    """Write a certificate that ends in so many days."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "invented")])
    now = datetime.datetime.now(datetime.UTC)
    certificate = (
        x509.CertificateBuilder(name, name, key.public_key(), x509.random_serial_number())
        .not_valid_before(now - datetime.timedelta(days=1))
        .not_valid_after(now + datetime.timedelta(days=days))
        .sign(key, hashes.SHA256())
    )
    (folder / CA_NAME).write_bytes(certificate.public_bytes(serialization.Encoding.PEM))
    return folder / CA_NAME


def test_versions_are_named() -> None:
    check = check_versions()
    assert check.state is State.OK
    assert "mitmproxy 1" in check.found


def test_a_certificate_that_is_not_there_yet_is_no_problem(tmp_path: Path) -> None:
    (check,) = check_authority(tmp_path)
    assert (check.state, check.fix) == (State.NOTE, "The first recording makes it.")


def test_a_certificate_that_ends_soon_is_a_problem(tmp_path: Path) -> None:
    authority(tmp_path, days=5)
    assert check_authority(tmp_path)[0].state is State.PROBLEM
    authority(tmp_path, days=500)
    assert check_authority(tmp_path)[0].state is State.OK


def test_a_certificate_that_is_none_is_a_problem(tmp_path: Path) -> None:
    (tmp_path / CA_NAME).write_text("no PEM")
    (check,) = check_authority(tmp_path)
    assert check.state is State.PROBLEM
    assert "cannot be read" in check.found


def test_a_key_that_others_may_read_is_a_problem(tmp_path: Path) -> None:
    authority(tmp_path, days=500)
    key = tmp_path / "mitmproxy-ca.pem"
    key.touch(0o644)
    key.chmod(0o644)
    assert (State.PROBLEM, f"chmod 600 {key}") in [(c.state, c.fix) for c in check_authority(tmp_path)]


def test_a_store_that_trusts_the_certificate_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    store = tmp_path / "store.pem"
    store.write_text("# others\n" + authority(tmp_path, days=500).read_text())
    monkeypatch.setattr(checks, "_STORES", (str(store),))
    assert str(store) in check_authority(tmp_path)[-1].found


def test_a_port_that_is_taken_is_no_problem() -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        check = check_port(*taken.getsockname())
    assert (check.state, "is taken" in check.found) == (State.NOTE, True)


def test_the_runtimes_here_are_named_with_their_versions() -> None:
    found = {check.what: check.found for check in check_runtimes()}
    assert "Python 3" in found["python3"]
    assert "by our hook" in found["python3"]


@pytest.mark.parametrize(
    ("command", "state"),
    [
        ([sys.executable, "bot.py"], State.OK),
        ([sys.executable, "-I", "bot.py"], State.PROBLEM),
        (["sleep", "1"], State.NOTE),
        (["no-such-program"], State.PROBLEM),
    ],
)
def test_a_command_is_judged_without_running_it(command: list[str], state: State) -> None:
    (check,) = check_command(command, "127.0.0.1:8080")
    assert check.state is state
    assert check.fix or state is State.OK
