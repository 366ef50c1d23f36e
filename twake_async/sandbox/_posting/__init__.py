"""How events reach an application: over a connection, or in this process."""
