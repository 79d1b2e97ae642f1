"""The little of Discord's HTTP API that libraries need to log in and to answer a message.

The rule: stateless; what is not here answers like an unknown route of Discord's.
"""

import re
from collections.abc import Callable
from typing import Any

from aiohttp import web

from inspector.simulator import content
from inspector.simulator.server.connection import to_json

_APPLICATION = {
    "id": content.APPLICATION,
    "name": "inspector-demo",
    "icon": None,
    "description": "",
    "summary": "",
    "bot_public": False,
    "bot_require_code_grant": False,
    "verify_key": "00" * 32,
    "flags": 565248,
    "owner": content.ADA,
    "team": None,
    "approximate_guild_count": 1,
    "approximate_user_install_count": 0,
}
_GATEWAY = {"url": "wss://gateway.discord.gg"}
_START_LIMIT = {"total": 1000, "remaining": 999, "reset_after": 86_400_000, "max_concurrency": 1}


async def answer(request: web.Request) -> web.Response:
    """Answer a call of ``/api/v*/…``. Any token but the simulator's is refused with 401."""
    path = re.sub(r"^/api(/v\d+)?", "", request.path)
    if path != "/gateway" and request.headers.get("Authorization") != f"Bot {content.TOKEN}":
        return _json({"message": "401: Unauthorized", "code": 0}, 401)
    for method, pattern, respond in _ROUTES:
        if method == request.method and re.fullmatch(pattern, path):
            body = await request.json() if request.can_read_body and request.content_type == "application/json" else {}
            return _json(respond(path, body))
    return _json({"message": "404: Not Found", "code": 0}, 404)


def _json(value: Any, status: int = 200) -> web.Response:
    # The type without a charset, as Discord writes it: discord.py takes anything else for text.
    return web.Response(body=to_json(value), status=status, headers={"Content-Type": "application/json"})


def _posted(path: str, body: dict[str, Any]) -> Any:
    return content.message(9000, body.get("content", ""), content.BOT, path.split("/")[2])


_ROUTES: list[tuple[str, str, Callable[[str, dict[str, Any]], Any]]] = [
    ("GET", "/gateway", lambda path, body: _GATEWAY),
    ("GET", "/gateway/bot", lambda path, body: _GATEWAY | {"shards": 1, "session_start_limit": _START_LIMIT}),
    ("GET", "/users/@me", lambda path, body: content.BOT),
    ("GET", "/(oauth2/)?applications/@me", lambda path, body: _APPLICATION),
    ("GET", r"/applications/\d+/.*commands", lambda path, body: []),
    ("POST", r"/channels/\d+/messages", _posted),
]
