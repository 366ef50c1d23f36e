"""Strategies that several property tests draw from."""

from __future__ import annotations

from hypothesis import strategies as st

__all__ = ["JSON", "TEXT"]

#: Any text that UTF-8 can hold.
TEXT = st.text(st.characters(exclude_categories=["Cs"]))
#: Any value that JSON can hold.
JSON = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats(allow_nan=False, allow_infinity=False)
    | TEXT,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(TEXT, inner, max_size=4),
    max_leaves=20,
)
