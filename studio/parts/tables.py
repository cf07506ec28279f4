"""Tables: semantic, server-paged, and cards on a phone."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from urllib.parse import urlencode

from markupsafe import Markup

from studio.parts.tags import Child, join, link, tag
from studio.parts.values import number

PAGE_ROWS = 25


@dataclass(frozen=True, slots=True)
class Column:
    """A column: its heading, and whether its cells are numbers."""

    heading: str
    is_number: bool = False


def columns(*headings: str) -> tuple[Column, ...]:
    """Columns by their headings; one that ends in `#` holds numbers."""
    return tuple(Column(each.rstrip("#"), each.endswith("#")) for each in headings)


def table(
    heads: Sequence[Column], rows: Iterable[Sequence[Child]], *, caption: str, empty: Child = None
) -> Markup:
    """A table; `caption` is for screen readers, `empty` is shown without rows.

    On a phone a row becomes a card in which each cell has its column's heading beside it.
    """
    body = [_row(heads, cells) for cells in rows]
    if not body:
        return tag("div", empty or "Nothing here yet.", class_="empty")
    head = tag("tr", *(tag("th", each.heading, scope="col", class_=_class(each)) for each in heads))
    return tag(
        "div",
        tag(
            "table",
            tag("caption", caption, class_="sr-only"),
            tag("thead", head),
            tag("tbody", *body),
        ),
        class_="table-box",
    )


def pager(
    page: int,
    total: int,
    path: str,
    query: Mapping[str, str] | None = None,
    rows: int = PAGE_ROWS,
    *,
    parameter: str = "page",
) -> Markup:
    """Which page of how many, and links to the others; nothing for a single page."""
    last = max(1, -(-total // rows))
    if last == 1:
        return Markup("")

    def to(number_of_page: int, text: str, label: str, *, on: bool) -> Markup:
        if not on:
            return tag("span", text, class_="off", aria_hidden="true")
        href = f"{path}?{urlencode({**(query or {}), parameter: number_of_page})}"
        return tag("a", text, href=href, aria_label=label)

    return tag(
        "nav",
        tag("span", f"{number(total)} in all", class_="muted"),
        tag("span", class_="grow"),
        to(1, "First", "First page", on=page > 1),
        to(page - 1, "Newer", "Newer", on=page > 1),
        tag("span", f"{number(page)} / {number(last)}", class_="number"),
        to(page + 1, "Older", "Older", on=page < last),
        to(last, "Last", "Last page", on=page < last),
        class_="pager",
        aria_label="Pages",
    )


def card(
    title: Child, *children: Child, note: Child = None, class_: str = "", export: str | None = None
) -> Markup:
    """A titled part of a page; `export` is where all of its list is to be had as JSON."""
    whole = None
    if export:
        whole = tag("a", "JSON", href=export, download=True, title="All of it, as JSON")
    beside = join((note, whole), " · ") if note and whole else note or whole
    head = tag("header", tag("h2", title), tag("div", beside, class_="note") if beside else None)
    return tag("section", head, *children, class_=f"card {class_}".strip())


def tiles(*each: tuple[str, Child, Child]) -> Markup:
    """Figures side by side: a label, the figure, and a note."""
    return tag(
        "div",
        *(
            tag(
                "div",
                tag("div", label, class_="tile-label"),
                tag("div", figure, class_="tile-figure"),
                tag("div", note, class_="tile-note") if note is not None else None,
                class_="tile",
            )
            for label, figure, note in each
        ),
        class_="tiles",
    )


def crumbs(*links: tuple[str, str]) -> Markup:
    """Where a page is: names with addresses."""
    parts = [link(name, href) for name, href in links]
    return tag("nav", join(parts, " / "), class_="crumbs", aria_label="Breadcrumb")


def _row(heads: Sequence[Column], cells: Sequence[Child]) -> Markup:
    return tag(
        "tr",
        *(
            tag("td", cell, class_=_class(head), data_head=head.heading)
            for head, cell in zip(heads, cells, strict=True)
        ),
    )


def _class(column: Column) -> str | None:
    return "number" if column.is_number else None
