"""The detail of one row: one file for each of its tabs, and the pane that holds them."""

from inspector.tui.widgets.detail.pane import Detail

__all__ = ["Detail"]
