"""Validators of the fields of nodes. Each error names the node and the field."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, NoReturn

from twake_async.errors import InvalidDraftError

from .client import MARKERS, OBJECT_MEMBERS

if TYPE_CHECKING:
    from attrs import Attribute


def refuse(owner: object, field: str, why: str) -> NoReturn:
    """Raise `InvalidDraftError` for a field of a node; without a node, for a field of that name."""
    name = f"{type(owner).__name__}.{field}" if owner is not None else field
    raise InvalidDraftError(f"{name}: {why}", field=name)


def is_clean(text: str) -> bool:
    """Return whether a text can be sent as JSON: one with a lone surrogate cannot."""
    return text.isascii() or not any("\ud800" <= letter <= "\udfff" for letter in text)


def json_copy(value: Any) -> Any:
    """Return a copy of a JSON value, with a dict for each mapping.

    Raises:
        ValueError: It is not JSON: NaN, an infinity, a lone surrogate, a cycle, another type.

    """
    try:
        text = json.dumps(value, allow_nan=False, ensure_ascii=False, default=_as_dict)
        text.encode()
    except (TypeError, RecursionError) as exc:
        raise ValueError(str(exc)) from exc
    return json.loads(text)


def _as_dict(value: object) -> dict[Any, Any]:
    if isinstance(value, Mapping):
        return dict(value)
    raise TypeError(f"a {type(value).__name__} is not JSON")


# ---- validators: the signature is the one that attrs calls --------------------------------------


def is_string(owner: object, field: Attribute[Any], value: object) -> None:
    """Refuse what is not text, or cannot be sent as JSON."""
    if not isinstance(value, str):
        refuse(owner, field.name, f"a str is needed here, not {type(value).__name__}")
    if not is_clean(value):
        refuse(owner, field.name, "a lone surrogate cannot be sent as JSON")


def is_said(owner: object, field: Attribute[Any], value: object) -> None:
    """Refuse text that is empty or only white space: it shows or does nothing."""
    is_string(owner, field, value)
    if not str(value).strip():
        refuse(owner, field.name, "it is empty, which shows or does nothing")


def is_flag(owner: object, field: Attribute[Any], value: object) -> None:
    """Refuse what is not exactly True or False."""
    if not isinstance(value, bool):
        refuse(owner, field.name, f"True or False is needed here, not {type(value).__name__}")


def is_key(owner: object, field: Attribute[Any], value: str | None) -> None:
    """Refuse a key that no update can match, or that the client takes for something else."""
    if value is None:
        return
    is_said(owner, field, value)
    if value in OBJECT_MEMBERS:
        refuse(owner, field.name, f"the client takes {value!r} for a member of every object")
    if value.isdecimal():
        # In a list, the client finds keys that every list has, such as "map", by mistake.
        refuse(owner, field.name, "the server turns a map with numbers for keys into a list")
    if getattr(owner, "children", None) == ("",):
        refuse(owner, field.name, "the client does not look at the key of empty text: leave it out")


def is_context(owner: object, field: Attribute[Any], value: object) -> None:
    """Refuse an interactive context that is not a JSON object."""
    if value is None:
        return
    if not isinstance(value, Mapping):
        refuse(owner, field.name, f"a mapping is needed here, not {type(value).__name__}")
    try:
        json_copy(value)
    except ValueError as exc:
        refuse(owner, field.name, f"JSON cannot hold it: {exc}")


def is_marker(owner: Any, field: Attribute[Any], value: Any) -> None:
    """Refuse a marker of another node type."""
    if value is not None and MARKERS.get(value.start) != owner.type_name:
        refuse(owner, field.name, f"{value.start!r} does not start this node")


_NAME = re.compile(r"[^:\x00-\x1f]*[^:\s][^:\x00-\x1f]*")


def is_name(owner: object, field: Attribute[Any], value: object) -> None:
    """Refuse a name or an id that cannot be sent as part of `name:id`."""
    is_said(owner, field, value)
    if not _NAME.fullmatch(str(value)):
        refuse(
            owner, field.name, "a colon or a control character would end it: it is sent as name:id"
        )


def is_word(owner: object, field: Attribute[Any], value: object) -> None:
    """Refuse an address with white space or control characters inside."""
    is_said(owner, field, value)
    if re.search(r"[\s\x00-\x1f]", str(value)):
        refuse(owner, field.name, "white space or a control character breaks it")


def is_link(owner: object, field: Attribute[Any], value: object) -> None:
    """Refuse a link that the client would change.

    The client adds `https://` to all that does not contain `http://`, and makes all that contains
    it a link to `http://`.
    """
    is_word(owner, field, value)
    link = str(value)
    if link.startswith("http://"):
        return
    if "http://" in link:
        refuse(owner, field.name, "write the inner http:// as http%3A//, or the client drops the s")
    if re.match(r"(?!https://)(\w*://|\W|mailto:|tel:|data:|javascript:)", link):
        refuse(owner, field.name, "the client can only link to http:// and https:// addresses")


def is_title(owner: object, field: Attribute[Any], value: object) -> None:
    """Refuse what cannot be sent as part of `title](url`."""
    is_said(owner, field, value)
    if "](" in str(value):
        refuse(owner, field.name, "'](' would end it: it is sent as title](url")


_EMOJI = re.compile(r"[A-Za-z0-9_+\-]+")


def is_emoji(owner: object, field: Attribute[Any], value: object) -> None:
    """Refuse what is not the short name of an emoji, without its colons."""
    is_said(owner, field, value)
    if not _EMOJI.fullmatch(str(value)):
        refuse(owner, field.name, "a short name without colons is needed, such as 'tada'")


def is_icon(owner: object, field: Attribute[Any], value: object) -> None:
    """Refuse what the client would show as text or HTML."""
    is_word(owner, field, value)
    text = str(value)
    if not (
        text.startswith(("http://", "https://")) or _EMOJI.fullmatch(text[1:-1] * _wrapped(text))
    ):
        refuse(owner, field.name, "an http(s) address or a short name with colons is needed")


def _wrapped(text: str) -> bool:
    return text.startswith(":") and text.endswith(":")


def is_source(owner: object, field: Attribute[Any], value: object) -> None:
    """Refuse an address that the reader's browser would look up on the Twake server."""
    is_word(owner, field, value)
    if not str(value).startswith(("http://", "https://", "data:image/")):
        refuse(owner, field.name, "an http(s) address or a data:image/ one is needed")


def is_email(owner: object, field: Attribute[Any], value: object) -> None:
    """Refuse what is not one email address."""
    is_word(owner, field, value)
    if not re.fullmatch(r"(?!mailto:)[^@]+@[^@]+", str(value)):
        refuse(owner, field.name, "one address is needed, such as 'bob@example.org'")


def is_percentage(owner: object, field: Attribute[Any], value: object) -> None:
    """Refuse what is not a number from 0 to 100."""
    if isinstance(value, bool) or not isinstance(value, int | float):
        refuse(owner, field.name, f"a number is needed here, not {type(value).__name__}")
    if not 0 <= value <= 100:  # per cent; NaN is refused as well
        refuse(owner, field.name, f"{value} is not between 0 and 100")


def is_style(owner: object, field: Attribute[Any], value: object) -> None:
    """Refuse a style that the client does not know."""
    _is_one_of(("default", "primary", "danger", None), owner, field, value)


def is_mode(owner: object, field: Attribute[Any], value: object) -> None:
    """Refuse a mode that the client does not know."""
    _is_one_of(("mini", None), owner, field, value)


def _is_one_of(
    known: tuple[str | None, ...], owner: object, field: Attribute[Any], value: object
) -> None:
    if value not in known:
        refuse(owner, field.name, f"{value!r} is unknown; known are {known}")


def has_label(owner: object, field: Attribute[Any], value: tuple[object, ...]) -> None:
    """Refuse a label that shows nothing."""
    if all(isinstance(child, str) and not child.strip() for child in value):
        refuse(owner, field.name, "a button needs a label")
