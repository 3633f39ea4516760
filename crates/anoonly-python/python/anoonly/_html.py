"""Small tables for notebooks."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from html import escape

_STYLE = "border-collapse:collapse;font-variant-numeric:tabular-nums"


def table(header: Sequence[str], rows: Iterable[Sequence[str]], more: int = 0) -> str:
    """A table of texts, which are escaped."""
    cells = "".join(f"<th>{escape(name)}</th>" for name in header)
    lines = "".join("<tr>" + "".join(f"<td>{escape(cell)}</td>" for cell in row) + "</tr>" for row in rows)
    rest = f"<p>… {more} more rows</p>" if more > 0 else ""
    return f'<table style="{_STYLE}"><thead><tr>{cells}</tr></thead><tbody>{lines}</tbody></table>{rest}'


def bar(share: float) -> str:
    """A bar from the middle to the right (above 0) or to the left, for a share from -1 to 1."""
    width = 50 * min(abs(share), 1.0)
    left = 50.0 if share >= 0 else 50.0 - width
    colour = "#d55e00" if share >= 0 else "#0072b2"
    return (
        '<div style="position:relative;width:12em;height:0.9em">'
        f'<div style="position:absolute;left:{left:.1f}%;width:{width:.1f}%;height:100%;background:{colour}"></div></div>'
    )
