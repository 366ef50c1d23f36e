"""Addresses: how the client changes them, and which of them a page may have."""

from __future__ import annotations

import re
from typing import Final
from urllib.parse import quote, urlsplit

_SCHEMES: Final = frozenset(("http", "https"))
_PICTURE = re.compile(r"data:image/(?:png|gif|jpeg|webp);base64,[A-Za-z0-9+/=]*", re.IGNORECASE)
_UNSEEN = re.compile(r"[\s\x00-\x1f\x7f\ud800-\udfff]")


def is_safe(address: str) -> bool:
    """Return whether a link may have this address: only `http`, `https` and `mailto` are safe."""
    if _UNSEEN.search(address):
        return False
    try:
        parts = urlsplit(address)
        _ = parts.port
    except ValueError:
        return False
    if parts.scheme == "mailto":
        return "@" in parts.path
    return parts.scheme in _SCHEMES and bool(parts.hostname)


def is_picture(address: str) -> bool:
    """Return whether an address contains the whole picture, so that nothing is loaded."""
    return _PICTURE.fullmatch(address) is not None


def client_link(address: str, *, reader_id: str | None = None) -> str | None:
    """Return the target of a link in the client; None if there is none, or it is not safe.

    The client links to `http://` if the address contains that, and else to `https://`.

    Args:
        address: The address as it was sent.
        reader_id: The reader's id, for an address that asks for it.

    Source: `url`, dictionary lines 82-105.

    """
    scheme = "http://" if "http://" in address else "https://"
    link = scheme + re.sub(r"^https?://", "", address)
    if reader_id is not None:
        separator = "&" if "?" in link else "?"
        link += f"{separator}twake_user={quote(reader_id, errors='replace')}"
    return link if address and is_safe(link) else None


def mail_link(address: str) -> str | None:
    """Return the link that writes to an email address; None if it is no address."""
    link = "mailto:" + quote(address.removeprefix("mailto:"), "@+", errors="replace")
    return link if is_safe(link) else None
