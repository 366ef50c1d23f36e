"""Which proxy the requests go through: the caller's, the environment's, or none."""

from __future__ import annotations

import contextlib
import importlib.util
import urllib.request

import httpx

from .errors import ConfigurationError

__all__ = ["resolve_proxy"]


def resolve_proxy(base_url: str, proxy: httpx.Proxy | str | None) -> httpx.Proxy | None:
    """Return the proxy to go through: the one given, the environment's for `"env"`, or None."""
    if proxy == "env":
        return _environment_proxy(httpx.URL(base_url))
    return _checked_proxy(proxy)


def _checked_proxy(proxy: httpx.Proxy | str | None) -> httpx.Proxy | None:
    if proxy is None:
        return None
    found = _parsed_proxy(proxy) if isinstance(proxy, str) else proxy
    if found is None or not found.url.host:
        # The value may hold a password: neither it nor httpx's own error is shown.
        raise ConfigurationError("proxy is no URL of a proxy", field="proxy")
    if found.url.scheme.startswith("socks") and importlib.util.find_spec("socksio") is None:
        raise ConfigurationError(
            'proxy speaks SOCKS, which needs another package: pip install "httpx[socks]"',
            field="proxy",
        )
    return found


def _parsed_proxy(proxy: str) -> httpx.Proxy | None:
    with contextlib.suppress(ValueError, httpx.InvalidURL):
        return httpx.Proxy(proxy if "://" in proxy else f"http://{proxy}")
    return None


def _environment_proxy(url: httpx.URL) -> httpx.Proxy | None:
    # httpx drops the environment's proxies when it is given a transport.
    if urllib.request.proxy_bypass(url.host):
        return None
    found = urllib.request.getproxies()
    return _checked_proxy(found.get(url.scheme) or found.get("all"))
