"""Requests over connections of our own; it needs the extra `fast`."""
