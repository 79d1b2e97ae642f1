"""What bots on bare WebSocket libraries say: they beat once, log in, and stay until they are ended."""

import json

URL = "wss://gateway.discord.gg/?v=10&encoding=json"
BEAT = json.dumps({"op": 1, "d": None})


def identify(token):
    properties = {"os": "linux", "browser": "bot", "device": "bot"}
    return json.dumps({"op": 2, "d": {"token": token, "intents": 1, "properties": properties}})


def is_ready(text):
    return json.loads(text)["t"] == "READY"
