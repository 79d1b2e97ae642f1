"""The variables by which a client finds the proxy and trusts it, where its runtime reads any."""

from pathlib import Path


def client_environment(proxy: str | None, ca_bundle: Path) -> dict[str, str]:
    """Return the variables that make common clients use the proxy at ``host:port`` and trust `ca_bundle` (PEM).

    Covers Python (ssl, requests, aiohttp with ``trust_env``), Node, Deno, curl, Go, and what else reads these names.
    `proxy` is None where traffic comes to the proxy on its own: then it is only about trust.
    """
    certificates = ("SSL_CERT_FILE", "REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE", "NODE_EXTRA_CA_CERTS", "DENO_CERT")
    variables = dict.fromkeys((*certificates, "GWINSPECT_CA"), str(ca_bundle))
    if proxy is None:
        return variables
    url = f"http://{proxy}"
    for name in ("HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY", "WS_PROXY", "WSS_PROXY"):
        variables |= {name: url, name.lower(): url}
    return variables | {"GWINSPECT_PROXY": url}


def write_bundle(target: Path, *authorities: Path) -> Path:
    """Write a PEM bundle of the usual authorities and `authorities` to `target`, and return it.

    The usual ones stay in because connections that are not opened still show their own certificates.
    """
    import certifi

    parts = [Path(certifi.where()).read_text("utf-8"), *(path.read_text("utf-8") for path in authorities)]
    target.write_text("\n".join(parts), "utf-8")
    return target
