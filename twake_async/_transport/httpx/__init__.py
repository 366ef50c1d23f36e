"""Requests over httpx or httpx2."""
