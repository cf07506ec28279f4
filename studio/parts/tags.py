"""HTML out of data: every text is escaped unless it is markup already.

Read-only parts of pages are strings of HTML, not elements of the server: a table of 50 rows is then
one message to the browser, and semantic tags come for free.
"""

from __future__ import annotations

from collections.abc import Iterable

from markupsafe import Markup, escape

Child = str | Markup | int | None
VOID = frozenset({"br", "hr", "img", "input", "meta"})


def tag(name: str, *children: Child, **attributes: str | int | bool | None) -> Markup:
    """An element: `tag("a", "Blocks", href="/blocks")`; `data_x` becomes `data-x`.

    A name that Python keeps to itself ends in an underscore: `class_`.  A child or attribute that
    is None or False is left out.
    """
    parts = [f"<{name}"]
    for key, value in attributes.items():
        if value is None or value is False:
            continue
        attribute = key.rstrip("_").replace("_", "-")
        parts.append(f" {attribute}" if value is True else f' {attribute}="{escape(str(value))}"')
    parts.append(">")
    if name not in VOID:
        parts.extend(escape(child) for child in children if child is not None)
        parts.append(f"</{name}>")
    return Markup("".join(parts))  # noqa: S704 # every part is escaped above


def join(children: Iterable[Child], between: str = "") -> Markup:
    """Several children as one, with a text between them."""
    return escape(between).join(escape(child) for child in children if child is not None)


def link(text: Child, href: str, class_: str | None = None) -> Markup:
    """A link inside Studio."""
    return tag("a", text, href=href, class_=class_)
