"""gwinspect: what a Discord client and Discord's gateways say to each other, decoded, labelled and explained."""

__version__ = "0.1.0"
