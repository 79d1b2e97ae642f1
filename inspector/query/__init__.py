"""The filter language: one registry of fields, a grammar, and what it compiles to."""
