"""Our two themes, dark and light. Textual's own can be chosen in the command palette; they take the lanes of ours."""

from textual.theme import Theme

from inspector.tui.lane_colours import DARK, LIGHT, variables

THEMES = (
    Theme(
        name="gwinspect-dark",
        primary="#6cb6ff",
        secondary="#3d6a99",
        accent="#f0c674",
        warning="#e0a84e",
        error="#ff6b6b",
        success="#7fd88f",
        foreground="#d7dae0",
        background="#15181e",
        surface="#1b1f27",
        panel="#232834",
        dark=True,
        variables=variables(DARK),
    ),
    Theme(
        name="gwinspect-light",
        primary="#0b62b8",
        secondary="#7aa7d8",
        accent="#9a6a00",
        warning="#945800",
        error="#b3202c",
        success="#1e7a34",
        foreground="#22262c",
        background="#fbfbf9",
        surface="#f1f1ee",
        panel="#e4e5e2",
        dark=False,
        variables=variables(LIGHT),
    ),
)
