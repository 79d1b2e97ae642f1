"""How Java programs find the proxy and trust it: options for every JVM, by JAVA_TOOL_OPTIONS.

HTTPS_PROXY means nothing to Java, and it trusts the certificates of a key store instead of a PEM file. The store is
written as JKS: each Java reads it, and it takes no library, where PKCS #12 needs a newer cryptography than mitmproxy 11
allows.
"""

import base64
import hashlib
import re
import struct
import time
from collections.abc import Mapping
from pathlib import Path

from inspector.proxy.mitmdump import Settings

_CERTIFICATE = re.compile(r"-----BEGIN CERTIFICATE-----(.+?)-----END CERTIFICATE-----", re.DOTALL)
# What keytool calls the usual password: the store only holds what is public, but some programs ask for one.
_PASSWORD = "changeit"


def java_variables(settings: Settings, bundle: Path, store: Path, environment: Mapping[str, str]) -> dict[str, str]:
    """Write the certificates of `bundle` (PEM) to the key store `store`, and return what makes each JVM trust it.

    That leads to the proxy too where it is one for HTTP. What `environment` has stays in front.
    """
    store.write_bytes(key_store(bundle.read_text("utf-8")))
    properties = {
        "javax.net.ssl.trustStore": str(store),
        "javax.net.ssl.trustStoreType": "JKS",
        "javax.net.ssl.trustStorePassword": _PASSWORD,
    }
    if settings.is_http_proxy:
        for scheme in ("http", "https"):
            properties |= {f"{scheme}.proxyHost": settings.host, f"{scheme}.proxyPort": str(settings.port)}
    ours = " ".join(_quoted(f"-D{name}={value}") for name, value in properties.items())
    theirs = environment.get("JAVA_TOOL_OPTIONS", "").strip()
    # Of two values of one property the later counts.
    return {"JAVA_TOOL_OPTIONS": f"{theirs} {ours}".lstrip()}


def key_store(pem: str) -> bytes:
    """Return the certificates in `pem` as a Java key store (JKS) that trusts each of them.

    The format: sun.security.provider.JavaKeyStore of OpenJDK, whose comments describe it.
    """
    now_ms = int(time.time() * 1000)
    certificates = [base64.b64decode(found) for found in _CERTIFICATE.findall(pem)]
    # Magic number, version, how many.
    parts = [struct.pack(">III", 0xFEEDFEED, 2, len(certificates))]
    for number, certificate in enumerate(certificates):
        # 2: a certificate that is trusted.
        parts += [struct.pack(">I", 2), _text(f"gwinspect-{number}"), struct.pack(">Q", now_ms)]
        parts += [_text("X.509"), struct.pack(">I", len(certificate)), certificate]
    data = b"".join(parts)
    # Java's own words, between password and content.
    seal = hashlib.sha1(_PASSWORD.encode("utf-16-be") + b"Mighty Aphrodite" + data, usedforsecurity=False)
    return data + seal.digest()


def _text(text: str) -> bytes:
    return struct.pack(">H", len(text)) + text.encode("ascii")


def _quoted(option: str) -> str:
    """Keep an option with spaces in one piece. Java knows both quotation marks, and no way to write one inside."""
    if not re.search(r"[\s'\"]", option):
        return option
    mark = "'" if '"' in option else '"'
    return f"{mark}{option}{mark}"
