"""The wire: its messages, and a session without I/O."""
