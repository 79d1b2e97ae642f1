"""What is computed over a capture, as values: no text, no colour."""
