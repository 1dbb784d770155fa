"""What an NPC decides: values in, values out, no I/O."""
