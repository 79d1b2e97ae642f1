"""What runs in or around mitmproxy: the recorder, and the launcher of a proxy for one command."""
