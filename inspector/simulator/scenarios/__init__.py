"""What the simulator can play."""
