"""Why no WebSocket came about, in words: what mitmproxy says of a failure, put so that it names whose side it was on.

mitmproxy's texts are for its own log. Those here were seen with 11.0.2 and 12.3.1; any other is passed on as it is.
"""

import re

NO_TLS = "TLS with the server failed: {}"
_CONNECT = "the proxy could not connect to {}: {}"

_CERTIFICATE = re.compile(r"Certificate verify failed: (.*?)\.?$", re.IGNORECASE)
_ADVICE = re.compile(
    r"^Cannot connect to \S+: | If you plan to redirect requests away from this server, .*$", re.DOTALL
)
_NO_NAME = re.compile(r"\[Errno -?\d+\] (.*(name|nodename|getaddrinfo|address associated).*)", re.IGNORECASE)
_NOBODY = re.compile(r"Connect call failed|Connection refused|actively refused", re.IGNORECASE)
_ERRNO = re.compile(r"\[Errno -?\d+\]|^Multiple exceptions: ")


def why_refused(said: str, address: str) -> str:
    """Return why there is no connection. `said` are mitmproxy's words; `address` is where the proxy was to connect."""
    said = _ADVICE.sub("", said).strip()
    if _CERTIFICATE.match(said) or said in _TLS:
        return why_no_tls(said)
    no_name = _NO_NAME.search(said)
    if no_name is not None:
        return _CONNECT.format(address, f"no such host ({no_name[1].rstrip('.')})")
    # An error with a number but no name for "refused" in it may be any.
    if _NOBODY.search(said) and not re.search(r"Errno (?!111\b|61\b|10061\b)\d", said):
        return _CONNECT.format(address, "connection refused, nothing is listening there")
    if _ERRNO.search(said):
        return _CONNECT.format(address, said.rstrip("."))
    return _SAID.get(said.rstrip("."), said.rstrip("."))


def why_no_tls(said: str) -> str:
    """Return why the proxy got no TLS with a server. `said` are mitmproxy's words, perhaps none."""
    certificate = _CERTIFICATE.match(said)
    if certificate is not None:
        return NO_TLS.format(f"the proxy does not accept the server's certificate ({certificate[1]})")
    return NO_TLS.format(_TLS.get(said, said.rstrip(".") or "the reason is unknown"))


def why_no_tls_with_client(said: str) -> str:
    """Return why a client got no TLS with the proxy. `said` are mitmproxy's words, perhaps none."""
    if said.startswith("The client disconnected during the handshake"):
        return (
            "TLS with the client failed: it hung up during the handshake, as clients do that do not trust the proxy's "
            "certificate"
        )
    detail = re.search(r"\(([^()]*)\)\.?$", said)
    if said.startswith("The client does not trust"):
        known = f" ({detail[1]})" if detail else ""
        return f"TLS with the client failed: the client does not trust the proxy's certificate{known}"
    return f"TLS with the client failed: {said.rstrip('.') or 'the reason is unknown'}"


_TLS = {
    "The remote server does not speak TLS.": "what answers there does not speak TLS",
    "The remote server does not speak TLS": "what answers there does not speak TLS",
    "connection closed": "the server hung up during the handshake",
    "connection closed early": "the server hung up during the handshake",
}
_SAID = {
    "server closed connection": "the server hung up without answering the upgrade",
    "Client disconnected": "the client hung up before the server had answered the upgrade",
}
