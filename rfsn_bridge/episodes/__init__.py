"""Talk with NPCs that nobody has to sit through: simulated, written down, weighed and played again."""
