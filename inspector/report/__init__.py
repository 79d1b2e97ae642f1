"""What captures and tables say, as text for people and programs."""
