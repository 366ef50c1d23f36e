"""Which proxy requests go through: the caller's, the environment's, or none."""

from __future__ import annotations

import contextlib
import importlib.util
import ipaddress
import re
import socket
from typing import TYPE_CHECKING, Any

import attrs

from twake_async.errors import ConfigurationError

from .http_library import httpx_library

if TYPE_CHECKING:
    import httpx

    from .http_library import HttpLibrary

__all__ = ["RedactedProxy", "is_exempt", "is_own", "resolve_proxy"]

Address = ipaddress.IPv4Address | ipaddress.IPv6Address


@attrs.frozen(repr=False)
class RedactedProxy:
    """A proxy; its repr shows neither user nor password."""

    # Tools that print attrs classes by their fields read this, not __repr__.
    proxy: httpx.Proxy = attrs.field(repr=False)

    @property
    def name(self) -> str:
        """The scheme, host and port of the proxy, for errors."""
        return f"{self.proxy.url.scheme}://{self.proxy.url.netloc.decode('ascii')}"

    def __repr__(self) -> str:
        return f"<RedactedProxy {self.name}>"


def resolve_proxy(
    base_url: str, proxy: httpx.Proxy | str | None, library: HttpLibrary | None = None
) -> RedactedProxy | None:
    """Return the proxy to go through, or None.

    Args:
        base_url: The server's address.
        proxy: The address of a proxy, a `Proxy` of either library, `"env"` for the one that the
            environment names, or None.
        library: The library whose requests go through it; None for httpx.

    Raises:
        ConfigurationError: It is no address of a proxy, or the proxy needs another package.

    """
    library = library or httpx_library()
    if proxy == "env":
        url = library.http.URL(base_url)
        found = _checked(_of_environment(url), "the proxy of the environment", library)
    else:
        found = _checked(proxy, "proxy", library)
    del proxy  # it may hold a password, and tracebacks may show locals
    if isinstance(found, str):
        raise ConfigurationError(found, field="proxy")
    return found


def _checked(proxy: Any, whose: str, library: HttpLibrary) -> RedactedProxy | str | None:
    """Return a proxy, or an error message that shows nothing of its address."""
    if proxy is None:
        return None
    if isinstance(proxy, str):
        text, proxy = proxy.strip(), None
        with contextlib.suppress(ValueError, library.http.InvalidURL):
            proxy = library.http.Proxy(text if "://" in text else f"http://{text}")
    if proxy is None or not proxy.url.host:
        return f"{whose} is not the URL of a proxy"
    if proxy.url.scheme.startswith("socks") and importlib.util.find_spec("socksio") is None:
        install = f'pip install "{library.name}[socks]"'
        return f"{whose} is a SOCKS proxy, which needs another package: {install}"
    return RedactedProxy(_redacted(proxy, library))


class _Secret(str):
    """A text whose repr, and that of its bytes, shows nothing."""

    __slots__ = ()

    def __repr__(self) -> str:
        return "'***'"

    def encode(self, encoding: str = "utf-8", errors: str = "strict") -> bytes:
        return _SecretBytes(super().encode(encoding, errors))


class _SecretBytes(bytes):
    __slots__ = ()

    def __repr__(self) -> str:
        return "b'***'"


def _redacted(proxy: httpx.Proxy, library: HttpLibrary) -> httpx.Proxy:
    """Return the same proxy, with a user and password that no log shows.

    httpcore logs those of a SOCKS proxy, at the level DEBUG.
    """
    if proxy.auth is None:
        return proxy
    user, password = proxy.auth
    redacted: httpx.Proxy = library.http.Proxy(
        library.http.URL(str(proxy.url)),
        ssl_context=proxy.ssl_context,
        auth=(_Secret(user), _Secret(password)),
        headers=proxy.headers.raw,
    )
    return redacted


# --- the environment ----------------------------------------------------------------------------


def _of_environment(url: httpx.URL) -> str | None:
    # httpx ignores the environment's proxies when it is given a transport. Imported here, because
    # the import takes long.
    import urllib.request  # noqa: PLC0415

    host = url.raw_host.decode("ascii").lower()
    if is_own(host):
        return None
    found = urllib.request.getproxies_environment()
    if found:
        port = url.port or (443 if url.scheme == "https" else 80)
        exempt = is_exempt(host, port, found.get("no", ""))
    else:
        # macOS and Windows have settings of their own, with a list of exceptions.
        found = urllib.request.getproxies()
        exempt = bool(found) and bool(urllib.request.proxy_bypass(host))
    return None if exempt else found.get(url.scheme) or found.get("all")


_OWN_NAMES = frozenset({"localhost", "localhost.localdomain", "ip6-localhost", "ip6-loopback"})


def is_own(host: str) -> bool:
    """Say whether a host is this machine, which is reached without a proxy."""
    name = host.removesuffix(".")
    if name in _OWN_NAMES or name.endswith(".localhost"):
        return True
    address = _address(name)
    if address is None:
        return False
    return address.is_loopback or address.is_unspecified or _is_interface(address)


def _address(host: str) -> Address | None:
    """Return a host's address if it is written as one, also in forms such as `127.1`, or None."""
    with contextlib.suppress(ValueError):
        address = ipaddress.ip_address(host)
        return getattr(address, "ipv4_mapped", None) or address
    with contextlib.suppress(OSError, UnicodeError):
        return ipaddress.IPv4Address(socket.inet_aton(host))
    return None


def _is_interface(address: Address) -> bool:
    """Say whether a network interface of this machine has the address. Nothing is sent."""
    family = socket.AF_INET if address.version == 4 else socket.AF_INET6
    with contextlib.suppress(OSError), socket.socket(family, socket.SOCK_DGRAM) as asking:
        # The kernel chooses the address to send from. If the address is ours, it is the same one.
        asking.connect((str(address), 9))
        return ipaddress.ip_address(asking.getsockname()[0]) == address
    return False


#: An entry of NO_PROXY: a name or an address, with or without brackets and a port.
_ENTRY = re.compile(
    r"(?:\[(?P<ip6>[^\]]*)\](?P<bits>/\d+)?|(?P<name>[^:\[\]]*))(?::(?P<port>\d*))?"
)


def is_exempt(host: str, port: int, exceptions: str) -> bool:
    """Say whether a host is reached without the environment's proxy.

    Args:
        host: A name in ASCII or an address, in lower case, without brackets.
        port: The port.
        exceptions: The value of `NO_PROXY`, in the forms that urllib, requests and curl accept.

    """
    return any(_matches(entry, host, port) for entry in re.split(r"[\s,]+", exceptions))


def _matches(entry: str, host: str, port: int) -> bool:
    """Say whether an entry names a host."""
    if entry == "*":
        return True
    found = _ENTRY.fullmatch(entry)
    if found is None:  # an IPv6 address without brackets
        name, wanted = entry, ""
    else:
        ip6 = found["ip6"]
        name = found["name"] if ip6 is None else ip6 + (found["bits"] or "")
        wanted = found["port"] or ""
    if wanted and int(wanted) != port:
        return False
    address = _address(host)
    if address is not None:
        return _contains(name, address)
    name = _to_ascii(name.removeprefix("*").lstrip(".").rstrip("."))
    host = host.removesuffix(".")
    return bool(name) and (host == name or host.endswith(f".{name}"))


def _contains(network: str, address: Address) -> bool:
    with contextlib.suppress(ValueError):
        return address in ipaddress.ip_network(network, strict=False)
    return False


def _to_ascii(name: str) -> str:
    if name.isascii():
        return name.lower()
    http = httpx_library().http
    with contextlib.suppress(http.InvalidURL):
        name = http.URL(f"http://{name}").raw_host.decode("ascii").lower()
    return name
