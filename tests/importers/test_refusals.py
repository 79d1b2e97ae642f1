import pytest

from inspector.importers.refusals import why_no_tls, why_no_tls_with_client, why_refused

ADVICE = " If you plan to redirect requests away from this server, consider setting `connection_strategy` to `lazy`."
TWO = "Multiple exceptions: [Errno 111] Connect call failed ('::1', 1, 0, 0), [Errno 111] Connect call failed ('1', 1)"


@pytest.mark.parametrize(
    ("said", "why"),
    [
        ("[Errno 111] Connect call failed ('127.0.0.1', 1)", "connection refused, nothing is listening there"),
        (f"Cannot connect to g:443: {TWO}{ADVICE}", "connection refused, nothing is listening there"),
        ("[Errno 61] Connect call failed ('127.0.0.1', 1)", "connection refused, nothing is listening there"),
        ("[Errno -2] Name or service not known", "no such host (Name or service not known)"),
        (
            "[Errno 8] nodename nor servname provided, or not known",
            "no such host (nodename nor servname provided, or not",
        ),
        ("[Errno 113] Connect call failed ('10.0.0.1', 1)", "[Errno 113] Connect call failed ('10.0.0.1', 1)"),
        (f"{TWO}, [Errno 101] Network is unreachable", f"{TWO}, [Errno 101] Network is unreachable"),
    ],
)
def test_what_the_proxy_could_not_connect_to_is_named(said: str, why: str) -> None:
    assert why_refused(said, "g:443").startswith(f"the proxy could not connect to g:443: {why}")


def test_a_failure_that_no_table_has_is_given_in_mitmproxys_words() -> None:
    assert why_refused("Something else.", "g:443") == "Something else"
    assert why_no_tls("") == "TLS with the server failed: the reason is unknown"


def test_only_a_certificate_is_called_one() -> None:
    assert "certificate" in why_refused("Certificate verify failed: certificate has expired", "g:443")
    assert "certificate" not in why_no_tls("The remote server does not speak TLS.")


def test_a_client_that_says_why_is_quoted() -> None:
    said = "The client does not trust the proxy's certificate for g (OpenSSL Error([('SSL routines', '', 'alert')]))"
    assert "the client does not trust the proxy's certificate" in why_no_tls_with_client(said)
    assert why_no_tls_with_client("The client disconnected during the handshake. If …").startswith(
        "TLS with the client failed: it hung up"
    )
