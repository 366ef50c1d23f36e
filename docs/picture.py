"""The picture of the demo: `python docs/picture.py` runs it and writes docs/_static/demo.svg.

What differs from run to run is replaced by something of the same length, so that the picture
changes only when the demo does. A test compares the two.
"""

import asyncio
import io
import pathlib
import re

from rich.console import Console

from twake_async.cli._demo import _demo

PICTURE = pathlib.Path(__file__).parent / "_static" / "demo.svg"
COLUMNS = 104

# The spaces of the picture are no-break spaces.
_ALIKE = (
    (
        r"[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}",
        "95f46b55-e69a-11f1-9910-2505e0a61597",
    ),
    (r"(127\.0\.0\.1(?::|&#x27;,&#160;))\d{5}", r"\g<1>38513"),
    (r"\d\d:\d\d(?=&#160;|<)", "09:41"),
    (r"\d\.\d\d&#160;s", "0.25&#160;s"),
)


def render() -> str:
    """Run the demo and return what the terminal showed, as SVG without any foreign resource."""
    console = Console(
        file=io.StringIO(),
        record=True,
        width=COLUMNS,
        force_terminal=True,
        color_system="truecolor",
        highlight=False,
        markup=False,
    )
    asyncio.run(_demo(console))
    svg = console.export_svg(title="twake-async demo", unique_id="demo")
    svg = re.sub(r"@font-face \{.*?\}\s*", "", svg, flags=re.DOTALL)
    svg = svg.replace("Fira Code", "ui-monospace").replace(
        "<!-- Generated with Rich https://www.textualize.io -->", ""
    )
    for pattern, alike in _ALIKE:
        svg = re.sub(pattern, alike, svg)
    return _in_order(svg)


def _in_order(svg: str) -> str:
    """Number the messages that were sent at once as if they had come in order."""
    numbers = iter(("1", "2", "100"))

    def numbered(found: re.Match[str]) -> str:
        text = f"&#160;&#160;Number&#160;{next(numbers)}"
        return f'textLength="{len(text.replace("&#160;", " ")) * 12.2:g}"{found[1]}{text}'

    return re.sub(r'textLength="[\d.]+"([^>]*>)&#160;&#160;Number&#160;\d+(?=<)', numbered, svg)


if __name__ == "__main__":
    PICTURE.parent.mkdir(exist_ok=True)
    PICTURE.write_text(render(), encoding="utf-8")
