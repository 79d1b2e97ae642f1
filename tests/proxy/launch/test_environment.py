"""The environment of a client, as real programs read it."""

import os
import subprocess
import sys
from pathlib import Path

from inspector.proxy.launch.environment import client_environment, write_bundle


def test_the_environment_leads_common_clients_through_the_proxy(tmp_path: Path) -> None:
    variables = client_environment("127.0.0.1:8080", tmp_path / "ca.pem")
    for name in ("HTTPS_PROXY", "https_proxy", "ALL_PROXY", "wss_proxy", "GWINSPECT_PROXY"):
        assert variables[name] == "http://127.0.0.1:8080"
    for name in ("SSL_CERT_FILE", "REQUESTS_CA_BUNDLE", "NODE_EXTRA_CA_CERTS", "GWINSPECT_CA"):
        assert variables[name] == str(tmp_path / "ca.pem")


def test_a_client_in_that_environment_finds_proxy_and_authorities(tmp_path: Path) -> None:
    authority = tmp_path / "mine.pem"
    subprocess.run(
        [sys.executable, "-c", "import sys, trustme; trustme.CA().cert_pem.write_to_path(sys.argv[1])", str(authority)],
        check=True,
    )
    bundle = write_bundle(tmp_path / "bundle.pem", authority)
    code = """
import ssl, urllib.request
print(urllib.request.getproxies()["https"])
print(sum("trustme" in str(each["subject"]) for each in ssl.create_default_context().get_ca_certs()))
print(len(ssl.create_default_context().get_ca_certs()) > 50)
"""
    environment = os.environ | client_environment("127.0.0.1:8080", bundle)
    said = subprocess.run([sys.executable, "-c", code], env=environment, capture_output=True, text=True, check=True)
    assert said.stdout.split() == ["http://127.0.0.1:8080", "1", "True"]
