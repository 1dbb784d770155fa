"""The scene that `rfsn-bridge demo` plays: who thinks, who hears, what is said and kept."""
