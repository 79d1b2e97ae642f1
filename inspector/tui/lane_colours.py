"""The colours of connections: one each, by turns, the same in every pane. Their numbers are next to them."""

# Lanes until the colours repeat.
LANES = 6
LANE_CLASSES = frozenset(f"lane--{lane}" for lane in range(LANES))

# Theme variables, by theme; chosen to be distinguished on its background, and from what directions and trouble use.
DARK = ("#5fd7d7", "#d787d7", "#87d787", "#d7af5f", "#87afff", "#ff87af")
LIGHT = ("#00707a", "#8a2a8a", "#2a7a2a", "#8a5a00", "#2a4fbf", "#b0305f")

LANES_CSS = "\n".join(f"& > .lane--{lane} {{ color: $lane-{lane}; text-style: bold; }}" for lane in range(LANES))
"""Rules for a widget that has `LANE_CLASSES` among its component classes; & stands for the widget's name."""


def lane_style(connection: int) -> str:
    """Return the component class of a connection."""
    return f"lane--{connection % LANES}"


def variables(colours: tuple[str, ...]) -> dict[str, str]:
    """Return the theme's variables for the lanes."""
    return {f"lane-{lane}": colour for lane, colour in enumerate(colours)}
