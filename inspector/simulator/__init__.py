"""A Discord on loopback, for the demo, the tests and the sample captures: real sockets, real TLS, invented people.

Two rules. The server plays a script and writes down in a journal what it really sent and received, so that a recording
can be compared with the truth. And nothing leaves the machine: clients use Discord's own names, and whatever stands
between (``redirect.py`` in mitmproxy, a resolver in the scripted client) leads every name to the simulator.
"""
