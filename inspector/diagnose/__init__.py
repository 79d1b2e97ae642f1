"""What is wrong with a conversation, and what ended it: one rule, one function; `rules.RULES` lists them all."""
