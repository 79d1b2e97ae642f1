"""Lines that one types into."""
