"""What the mind is made of, as data."""
