"""The screen: the only folder that knows Textual. It reads captures and never talks to a proxy."""
