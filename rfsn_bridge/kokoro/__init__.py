"""What Kokoro's plugin is made of: its graph rewritten, its session, its voices, and when each phoneme sounds."""

VERSION = 3
"""Of the derived graphs: raise it with each change of what `rewrites` makes, so that all are made anew."""
