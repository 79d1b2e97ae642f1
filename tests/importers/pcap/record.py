"""Records ``discordpy-tls12.pcapng`` and ``discordpy-tls13.pcapng`` anew: ``python -m tests.importers.pcap.record``.

discord.py talks straight to the simulator, dumpcap or tcpdump records. Kept are packets and keys, and nothing of the
machine. All that is in them is invented.
"""

import shutil
import tempfile
from pathlib import Path

from inspector.importers.pcap.file import keys_beside
from inspector.importers.pcap.packetfile import PacketFile
from tests.e2e.test_packets import DISCORD_PY, play
from tests.packets import interface, packet_block, secrets_block, section

HERE = Path(__file__).parent
VERSIONS = {"tls12": "TLSv1_2", "tls13": "TLSv1_3"}


def path_of(name: str) -> Path:
    return HERE / f"discordpy-{name}.pcapng"


def main() -> None:
    for name, version in VERSIONS.items():
        folder = Path(tempfile.mkdtemp())
        play("hello", folder, DISCORD_PY, version)
        recorded = folder / "day.pcapng"
        with recorded.open("rb") as file:
            packets = [(at_ns, data[14:]) for at_ns, _, data, _ in PacketFile(file).packets()]
        blocks = [packet_block(packet) for packet in packets]
        log = secrets_block(keys_beside(recorded).read_bytes())
        path_of(name).write_bytes(section() + interface() + b"".join(blocks) + log)
        shutil.rmtree(folder)


if __name__ == "__main__":
    main()
