"""How a request travels: pooled connections, connecting, TLS, proxies."""

from .proxies import resolve_proxy

__all__ = ["resolve_proxy"]
