"""What the main screen has done for it: one task, one object, which the screen owns and hands its messages to."""
