"""Receives requests: the ASGI application, in-process or on a loopback socket."""
