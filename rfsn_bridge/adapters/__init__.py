"""Brings the game adapters that we ship into their games."""
