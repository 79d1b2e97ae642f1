"""The discord.py bot, which writes down its TLS keys into the file named by SSLKEYLOGFILE.

That is what every context does which Python's `ssl.create_default_context` makes. The simulator's makes its own, to
trust nobody else. TLS_VERSION is the newest that it speaks.
"""

import os
import ssl
import sys
from collections.abc import Sequence
from pathlib import Path

from inspector.simulator.client import discordpy
from inspector.simulator.client.scripted import trust


def _logging(authorities: Sequence[Path]) -> ssl.SSLContext:
    tls = trust(authorities)
    tls.maximum_version = ssl.TLSVersion[os.environ["TLS_VERSION"]]
    tls.keylog_filename = os.environ["SSLKEYLOGFILE"]
    return tls


if __name__ == "__main__":
    discordpy.trust = _logging
    sys.exit(discordpy.main())
