"""Leads Discord's gateways to the proxy in any Python program: a launch puts it on PYTHONPATH, with PLAN filled in.

The rule: it never breaks the program. Whatever goes wrong here is written to the report, and the program goes on as if
this file was not there. It only says where a connection goes and whom to trust; names, TLS and what is said stay as
the client made them. It runs in other people's Python, 3.6 and newer, so it takes nothing but the standard library, and
of that only what is loaded anyway: importing ssl or asyncio here would cost each program 40 ms.
"""

import os
import sys

# Filled in at a launch: "host" and "port" of the proxy, "hosts" ([regular expression, ports] each), "ca" (PEM),
# "reports" (path of the file to write to). Where there is no proxy: "keys" (path of the file for TLS keys), "reports".
PLAN = None

# Names that were led to the proxy in this process.
_redirected = set()

# Modules to change once the program imports them, and how.
_CHANGES = {}


def _report(what, name="", port=0, text=""):
    """Append one line to the report, and say whether that could be done."""
    try:
        # Built in, unlike datetime; json would cost each start a few milliseconds.
        import time

        runtime = "python %d.%d.%d" % sys.version_info[:3]
        line = '{"at": %.6f, "pid": %d, "runtime": "%s", "what": "%s"' % (time.time(), os.getpid(), runtime, what)
        if name or text:
            import json

            line += ', "name": %s, "port": %d, "text": %s' % (json.dumps(name), port, json.dumps(text))
        # The launcher made the file. Where it is gone the launch is over, and none is made again.
        report = os.open(PLAN["reports"], os.O_WRONLY | os.O_APPEND)
        try:
            os.write(report, line.encode() + b"}\n")
        finally:
            os.close(report)
        return True
    except Exception:
        return False


def _named(host):
    """Return a gateway's name as it is written in the plan, None for any other. Takes whatever a program passes."""
    try:
        # A program that looks up names has loaded it, most often; one that does not is not to wait for it.
        import re

        if isinstance(host, (bytes, bytearray)):
            host = bytes(host).decode("ascii")
        name = host.lower().rstrip(".")
        return name if any(re.search(pattern, name) for pattern, _ in PLAN["hosts"]) else None
    except Exception:
        return None


def _lead(host, port):
    """Say whether a connection is to go to the proxy, and report it if so: there, the proxy reads which port is meant.

    One that cannot be reported goes its own way, as the launch is over.
    """
    name = _named(host)
    if name is None:
        return False
    try:
        import re

        if isinstance(port, bytes):
            port = port.decode("ascii")
        port = int({"https": 443, "http": 80}.get(port, port) or 0)
        if not port or not any((not ports or port in ports) and re.search(at, name) for at, ports in PLAN["hosts"]):
            return False
    except Exception:
        return False
    _redirected.add(name)
    return _report("redirected", name, port)


def _change(module):
    """Mark a function as the change to a module of that name."""

    def mark(function):
        _CHANGES[module] = function
        return function

    return mark


@_change("socket")
def _change_socket(socket):
    """The one place where most programs ask where a name is: asyncio, trio, requests, websocket-client."""
    _wrap_lookup(socket, socket)


@_change("gevent._socketcommon")
def _change_gevent(common):
    """It puts its own functions in place of the socket module's."""
    import socket

    _wrap_lookup(common, socket)


def _wrap_lookup(module, socket):
    original = module.getaddrinfo

    def getaddrinfo(host, port, family=0, type=0, proto=0, flags=0):
        # PySocks is put in place of the class after a lookup: its proxy must not be told of an address on this machine.
        elsewhere = type == socket.SOCK_DGRAM or socket.socket.__module__ == "socks"
        if elsewhere or not _lead(host, port):
            return original(host, port, family, type, proto, flags)
        where = PLAN["host"]
        if family == socket.AF_INET6 and ":" not in where:
            where = "::ffff:" + where
        return original(where, PLAN["port"], 0, type or socket.SOCK_STREAM, proto)

    module.getaddrinfo = getaddrinfo


@_change("ssl")
def _change_ssl(ssl):
    """Trust the proxy's authority too, for a gateway's name alone: a context may hold certifi's authorities only.

    Where there is no proxy, have a context write its keys that the program has made itself: one of ssl's own does so by
    SSLKEYLOGFILE.
    """

    def log_keys(context, host):
        # From Python 3.8 on.
        if PLAN["keys"] and getattr(context, "keylog_filename", "") is None:
            context.keylog_filename = PLAN["keys"]

    def trust(context, host):
        name = _named(host)
        if name is None or getattr(context, "_gwinspect_trusts", False):
            return
        if name not in _redirected:
            _report("own-proxy", name)
        if context.verify_mode != ssl.CERT_NONE:
            context.load_verify_locations(cadata=PLAN["ca"])
        context._gwinspect_trusts = True

    for name in ("wrap_socket", "wrap_bio"):
        _wrap_tls(ssl.SSLContext, name, log_keys if "keys" in PLAN else trust)


def _wrap_tls(context_class, name, prepare):
    original = getattr(context_class, name)

    def wrapped(self, *arguments, **named):
        try:
            # No one passes it without its name: it is the fourth argument of one and the sixth of the other.
            host = named.get("server_hostname")
            if host is not None:
                prepare(self, host)
        except Exception as error:
            _report("failed", text="TLS: %r" % error)
        return original(self, *arguments, **named)

    wrapped.__name__, wrapped.__doc__ = name, original.__doc__
    setattr(context_class, name, wrapped)


@_change("aiohttp.connector")
def _change_aiohttp(connector):
    """Whatever resolver a connector has: aiodns never asks the socket module."""
    base = connector.TCPConnector
    original, connect = base._resolve_host, getattr(base, "_wrap_create_connection", None)

    async def _resolve_host(self, host, port, *arguments, **named):
        # aiohttp_socks connects in a way of its own, by its proxy, and takes names for addresses.
        own_way = getattr(type(self), "_wrap_create_connection", None) is not connect
        if own_way or not _lead(host, port):
            return await original(self, host, port, *arguments, **named)
        import socket

        where = {"hostname": host, "host": PLAN["host"], "port": PLAN["port"], "proto": 0}
        where.update(family=socket.AF_INET6 if ":" in PLAN["host"] else socket.AF_INET, flags=socket.AI_NUMERICHOST)
        return [where]

    base._resolve_host = _resolve_host


@_change("picows")
def _change_picows(picows):
    """It has TLS of its own below Python's: where that is to write its keys, it ends the process (2.3.1, SIGSEGV)."""
    if "keys" in PLAN:
        PLAN["keys"] = None
        os.environ.pop("SSLKEYLOGFILE", None)
        _report("failed", text="picows crashes where it is to write TLS keys, so it is not asked to")


@_change("uvloop")
def _change_uvloop(uvloop):
    """It resolves names on its own."""
    connect, resolve = uvloop.Loop.create_connection, uvloop.Loop.getaddrinfo

    async def create_connection(self, protocol_factory, host=None, port=None, **named):
        if _lead(host, port):
            if named.get("ssl") and named.get("server_hostname") is None:
                named["server_hostname"] = host
            host, port = PLAN["host"], PLAN["port"]
        return await connect(self, protocol_factory, host, port, **named)

    async def getaddrinfo(self, host, port, **named):
        if _lead(host, port):
            host, port = PLAN["host"], PLAN["port"]
        return await resolve(self, host, port, **named)

    uvloop.Loop.create_connection = create_connection
    uvloop.Loop.getaddrinfo = getaddrinfo


@_change("anyio._core._sockets")
def _change_anyio(sockets):
    """It takes addresses from the socket module, and the port from what it was asked for."""
    original = sockets.connect_tcp

    async def connect_tcp(remote_host, remote_port, **named):
        if not _lead(remote_host, remote_port):
            return await original(remote_host, remote_port, **named)
        if named.get("tls") or named.get("ssl_context") is not None or named.get("tls_hostname"):
            named.setdefault("tls_hostname", remote_host)
        return await original(PLAN["host"], PLAN["port"], **named)

    sockets.connect_tcp = connect_tcp


class _Finder:
    """Finds nothing itself: has a module changed right after it was loaded."""

    def find_spec(self, name, path=None, target=None):
        if name not in _CHANGES:
            return None
        try:
            others = (each for each in list(sys.meta_path) if each is not self and hasattr(each, "find_spec"))
            spec = next(filter(None, (each.find_spec(name, path, target) for each in others)), None)
            if spec is not None:
                _change_after(spec.loader, name)
            return spec
        except Exception as error:
            _report("failed", text="%s: %r" % (name, error))
            return None


def _change_after(loader, name):
    # A class loads what is built into a frozen program: one for all modules, so it is left as it is.
    if isinstance(loader, type) or not hasattr(loader, "exec_module"):
        return
    original = loader.exec_module

    def exec_module(module):
        original(module)
        # One loader may load several modules, those of a zip file say.
        if module.__name__ == name:
            _apply(name, module)

    loader.exec_module = exec_module


def _apply(name, module):
    change = _CHANGES.pop(name, None)
    try:
        if change is not None:
            change(module)
    except Exception as error:
        _report("failed", text="%s: %r" % (name, error))


def _next_sitecustomize():
    """Run the one that ours is before. What it raises is its own affair, as without us."""
    # What importlib.machinery and importlib.util take them from, without loading these.
    from _frozen_importlib import module_from_spec
    from _frozen_importlib_external import PathFinder

    mine = os.path.dirname(os.path.abspath(__file__))
    others = [path for path in sys.path if os.path.abspath(path or os.getcwd()) != mine]
    spec = PathFinder.find_spec("sitecustomize", others)
    if spec is None or spec.loader is None:
        return
    module = module_from_spec(spec)
    sys.modules["sitecustomize"] = module
    spec.loader.exec_module(module)


def _install():
    if PLAN is None or sys.version_info < (3, 6) or os.environ.get("GWINSPECT_HOOKS") == "off":
        return
    if "keys" in PLAN:
        # Nothing is led anywhere.
        for name in set(_CHANGES) - {"ssl", "picows"}:
            del _CHANGES[name]
    for name in list(_CHANGES):
        if name in sys.modules:
            _apply(name, sys.modules[name])
    sys.meta_path.insert(0, _Finder())
    _report("loaded")
    if hasattr(os, "register_at_fork"):
        # A child that was forked is a process of its own, whose number the launcher looks for.
        os.register_at_fork(after_in_child=lambda: _report("loaded"))


try:
    _install()
except Exception as error:
    _report("failed", text=repr(error))
_next_sitecustomize()
