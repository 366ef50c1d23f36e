"""Posts events to an application: over a connection, or in this process."""
