"""The name that a server gives a file, made safe for a folder of the caller's."""

from __future__ import annotations

__all__ = ["safe_name", "server_name"]

#: Names that stand for devices on Windows, with any text after a dot.
_DEVICES = frozenset(
    {"con", "prn", "aux", "nul", "conin$", "conout$"}
    | {f"{kind}{n}" for kind in ("com", "lpt") for n in "123456789¹²³"}
)
#: The most bytes of a name: file systems take 255, and a temporary name is longer.
_LONGEST = 200


def server_name(disposition: str) -> str:
    """Return the name in a `Content-Disposition`, without parts that could lead elsewhere.

    The form `filename*` takes precedence over `filename` (RFC 6266).

    Args:
        disposition: The header, each byte of it as a character.

    """
    from email.message import Message  # noqa: PLC0415 - few downloads are named by the server

    header = Message()
    header["Content-Disposition"] = disposition
    try:
        parameters = header.get_params((), header="Content-Disposition")
    except (TypeError, ValueError):  # numbers of parts that it cannot sort or read
        return safe_name("")
    found: dict[str, str] = {}
    for name, value in parameters:
        if name.lower() == "filename":
            found.setdefault("*" if isinstance(value, tuple) else "=", _decoded(value))
    return safe_name(found.get("*") or found.get("=") or "")


def _decoded(value: str | tuple[str | None, str | None, str]) -> str:
    charset, _, text = value if isinstance(value, tuple) else (None, None, value)
    # PHP writes UTF-8 into the plain form, too.
    is_latin = (charset or "").lower() == "iso-8859-1"
    return text.encode("latin-1", "replace").decode("latin-1" if is_latin else "utf-8", "replace")


def safe_name(name: str) -> str:
    """Return a name without folders, control characters and parts with a special meaning."""
    name = name.replace("\\", "/").rpartition("/")[2]
    name = "".join(one if one.isprintable() and one not in '<>:"|?*' else "_" for one in name)
    name = name.strip(". ").encode()[:_LONGEST].decode(errors="ignore").rstrip(". ")
    if name.partition(".")[0].rstrip().lower() in _DEVICES:
        name = f"_{name}"
    return name or "file"
