"""One WebSocket connection as a script sees it, whichever gateway it belongs to.

The rule: everything that passes goes through `_send` or `play`, so the journal is complete.
"""

import asyncio
import contextlib
import json
from typing import Any

from aiohttp import WSMsgType, web

from inspector.model import Side
from inspector.simulator.clock import Clock
from inspector.simulator.journal import JournalEntry

# Seconds that a script waits for something before it gives up.
PATIENCE = 15.0

Json = dict[str, Any]


class ScriptError(Exception):
    """The client did not do what the script expected of it."""


class ServerSocket:
    """A client's connection. `play` reads it in the background; the script's methods speak and listen meanwhile."""

    seq_key = "s"
    """Name of the sequence number in this gateway's envelope."""

    def __init__(
        self, ws: web.WebSocketResponse, request: web.Request, number: int, journal: list[JournalEntry], clock: Clock
    ) -> None:
        self.number = number
        self.host = request.url.host or ""
        self.query = request.query
        self._ws = ws
        self._request = request
        self._journal = journal
        self._clock = clock
        self._inbox: asyncio.Queue[Json | None] = asyncio.Queue()
        self._sending = asyncio.Lock()
        self._over = False
        self._close_code: int | None = None
        self._note("open", url=f"wss://{request.host}{request.path_qs}")

    async def expect(self, *ops: int) -> Json:
        """Wait for the client's next payload with one of these opcodes, passing over others, and return it whole.

        Raises `ScriptError` when the client leaves or nothing comes.
        """
        wanted = " or ".join(map(str, ops))
        try:
            async with asyncio.timeout(PATIENCE):
                while (payload := await self._inbox.get()) is not None:
                    if payload.get("op") in ops:
                        return payload
        except TimeoutError:
            raise ScriptError(f"connection {self.number}: no op {wanted} came within {PATIENCE:.0f} s") from None
        self._inbox.put_nowait(None)
        raise ScriptError(f"connection {self.number}: the client left (close {self._close_code}) before op {wanted}")

    async def gone(self) -> int | None:
        """Wait until the client has left and return its close code."""
        try:
            async with asyncio.timeout(PATIENCE):
                while await self._inbox.get() is not None:
                    pass
        except TimeoutError:
            raise ScriptError(f"connection {self.number}: the client did not leave in {PATIENCE:.0f} s") from None
        self._inbox.put_nowait(None)
        return self._close_code

    async def send(self, payload: Json) -> None:
        """Send a whole payload, envelope included, as this connection writes them."""
        async with self._sending:
            payload, frames, is_text = self._encode(payload)
            await self._send(frames, is_text, payload)

    async def send_raw(self, data: bytes, *, is_text: bool = False) -> None:
        """Send one WebSocket message as it is. In a compressed stream the client cannot read on after it."""
        async with self._sending:
            await self._send([data], is_text, None)

    async def close(self, code: int, reason: str = "") -> None:
        """Close with a close frame and wait for the client's."""
        self._ended(code, reason, "server")
        await self._ws.close(code=code, message=reason.encode())

    def abort(self) -> None:
        """Cut the TCP connection, as a lost network does. Does nothing to one that is over."""
        if self._over:
            return
        self._ended(1006, "", "server")
        if self._request.transport is not None:
            self._request.transport.abort()

    async def play(self) -> None:
        """Read what the client sends, until either side leaves."""
        while True:
            match await self._ws.receive():
                case message if message.type in (WSMsgType.TEXT, WSMsgType.BINARY):
                    is_text = message.type is WSMsgType.TEXT
                    data = message.data.encode() if is_text else message.data
                    payload = self._decode(data, is_text)
                    self._note_message(True, is_text, [data], payload)
                    with contextlib.suppress(ScriptError):  # the script has closed meanwhile
                        await self._answer(payload)
                    self._inbox.put_nowait(payload)
                case message if message.type is WSMsgType.CLOSE:
                    self._ended(message.data or 1005, message.extra or "", "client")
                    break
                case _:
                    self._ended(1006, "", "client")
                    break
        self._inbox.put_nowait(None)

    async def _answer(self, payload: Json) -> None:
        """React to a payload on its own, before the script sees it."""

    def _encode(self, payload: Json) -> tuple[Json, list[bytes], bool]:
        """Return the payload as it is really said, its WebSocket messages, and whether they are text."""
        return payload, [to_json(payload)], True

    def _decode(self, data: bytes, is_text: bool) -> Json:
        return json.loads(data)  # type: ignore[no-any-return]

    async def _send(self, frames: list[bytes], is_text: bool, payload: Json | None) -> None:
        if self._over:
            raise ScriptError(f"connection {self.number} is over (close {self._close_code}) before the script is")
        self._note_message(False, is_text, frames, payload)
        self._clock.sent(len(frames))
        with contextlib.suppress(ConnectionError):  # the reader notices, and says so
            for frame in frames:
                await (self._ws.send_str(frame.decode()) if is_text else self._ws.send_bytes(frame))

    def _ended(self, code: int, reason: str, by: Side) -> None:
        if not self._over:
            self._over, self._close_code = True, code
            self._clock.sent(1)
            self._note("close", code=code, reason=reason, by=by)

    def _note_message(self, from_client: bool, is_text: bool, frames: list[bytes], payload: Json | None) -> None:
        said = payload or {}
        self._note(
            "message",
            from_client=from_client,
            is_text=is_text,
            frames=tuple(frames),
            payload=payload,
            op=said.get("op"),
            event=said.get("t"),
            seq=said.get(self.seq_key),
        )

    def _note(self, kind: Any, **fields: Any) -> None:
        self._journal.append(JournalEntry(self._clock.now_ns(), self.number, self.host, kind, **fields))


def to_json(payload: Any) -> bytes:
    """Return compact JSON in UTF-8; lone surrogates, which UTF-8 cannot hold, as ``\\u`` escapes."""
    return json.dumps(payload, ensure_ascii=False, separators=(",", ":")).encode("utf-8", "backslashreplace")
