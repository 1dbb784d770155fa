"""From tokens to sound."""
