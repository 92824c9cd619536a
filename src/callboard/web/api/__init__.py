"""The HTTP API: `desk` is what it may ask of the house, `routes` what it can do, `server` the door itself."""
