"""What screens are made of: attributes go down, messages go up."""
