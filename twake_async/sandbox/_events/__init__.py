"""The bodies and headers of the events that a server posts to applications, as recorded."""
