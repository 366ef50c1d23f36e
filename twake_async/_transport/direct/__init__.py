"""Requests over connections without httpx; it needs the extra `fast`."""
