"""The engine of `send_many`."""
