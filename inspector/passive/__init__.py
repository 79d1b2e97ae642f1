"""Recording without a proxy: packets from the network, TLS keys from the client, the same timeline.

`dumper` knows the programs that record packets, and `packets` reads what one says; `keys` has the client write its keys
and reads them as they come. `recorder` makes a capture of both, in a process of its own that `process` starts and ends;
`remarks` and `watch` say what is missing and why. The layers of the network are `inspector.importers.pcap`; the file is
written by `inspector.proxy.scribe`, as behind a proxy.
"""
