"""What brings an unmodified client behind the proxy: variables in its environment, and a hook for its runtime."""
