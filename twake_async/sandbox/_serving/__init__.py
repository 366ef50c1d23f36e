"""How requests come in: the ASGI application, in-process or on a loopback socket."""
