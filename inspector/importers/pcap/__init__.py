"""Packet captures: pcap and pcapng with the secrets of TLS, read without a proxy having been there.

Each module is one layer and knows nothing of the next: `packetfile` (packets), `network` (what IP carries), `tcp`
(streams), `tls` with `keylog` (what TLS carries), `http` (upgrades), `websocket` (messages). They meet in
`conversation`; `traffic` is all of it as one, for `file`, which makes an importer of it, and for `inspector.passive`,
which listens to a network.
"""

from inspector.importers.pcap.file import PacketCapture

__all__ = ["PacketCapture"]
