"""What shows a voice call."""
