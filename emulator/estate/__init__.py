"""What exists: homes, hubs, devices, parties; loaded from TOML, held as plain state."""
