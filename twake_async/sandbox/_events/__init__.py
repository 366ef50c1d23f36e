"""What the server posts to applications: the bodies and headers of events, as recorded."""
