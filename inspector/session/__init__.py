"""From payloads to what they mean: the state of each connection, a line in words for each row, and no secrets in it."""
