"""What Discord's gateways say, as data: tables with a source on every row, and the means to look things up in them."""
