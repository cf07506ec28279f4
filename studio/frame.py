"""The frame around every page: head with search and state, navigation, and what is wrong."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from urllib.parse import quote

from markupsafe import Markup
from nicegui import app, ui

from runtime.errors import OpenLedgerError
from studio.context import Studio
from studio.parts.tags import Child, tag
from studio.parts.values import number, span_text
from studio.tabs import every

NAVIGATION = (
    (
        "",
        (("Overview", "/", "space_dashboard"),),
    ),
    (
        "Build",
        (
            ("Datanets", "/datanets", "dataset"),
            ("ModelFactory", "/models", "model_training"),
            ("Chat", "/chat", "forum"),
        ),
    ),
    (
        "Earn",
        (
            ("Attribution", "/attribution", "account_tree"),
            ("Earnings", "/earnings", "payments"),
            ("Wallet", "/wallet", "account_balance_wallet"),
        ),
    ),
    (
        "Govern",
        (
            ("Governance", "/governance", "how_to_vote"),
            ("Disputes", "/disputes", "gavel"),
            ("Validators", "/validators", "verified_user"),
        ),
    ),
    (
        "Explore",
        (
            ("Blocks", "/blocks", "view_agenda"),
            ("Extrinsics", "/extrinsics", "receipt_long"),
            ("Accounts", "/accounts", "group"),
            ("Pallets", "/pallets", "extension"),
        ),
    ),
)
STALE_S = 30
"""A chain without a block for so long stands still."""
REFRESH_S = 1.0
LOGO = Markup(
    '<svg viewBox="0 0 26 26" aria-hidden="true">'
    '<rect width="26" height="26" rx="7" fill="#2a53cd"/>'
    '<path d="M7 18V8M13 18v-6M19 18V5" stroke="#fff" stroke-width="2.6" stroke-linecap="round"/>'
    '<circle cx="13" cy="8" r="1.7" fill="#f0e442"/></svg>'
)


def html(content: Child) -> ui.html:
    """A read-only part of a page; everything in it is escaped by `parts.tags`."""
    return ui.html(str(content), sanitize=False)


@asynccontextmanager
async def page(
    studio: Studio,
    title: str,
    path: str,
    *,
    lead: str | None = None,
    crumbs: Markup | None = None,
    is_headed: bool = True,
) -> AsyncIterator[None]:
    """The frame; what goes wrong inside is shown as a sentence with its remedy."""
    ui.page_title(f"{title} · OpenLedger Studio")
    dark = ui.dark_mode(app.storage.user.get("dark"))
    ui.colors(primary="#2a53cd", positive="#0a6b4f", negative="#a93800", warning="#7a5200")
    drawer = _navigation(path)
    _head(studio, drawer, dark)
    with ui.element("main").classes("page").props('id="main"'):
        if is_headed:
            html(_heading(title, lead, crumbs))
        try:
            if studio.chain.is_ready:
                studio.refresh_names()
            yield
        except OpenLedgerError as error:
            html(notice(error.message, error.remedy, "bad"))


def notice(text: Child, remedy: Child = None, kind: str = "info") -> Markup:
    """A sentence that matters, and what to do about it; `kind` is info, ok, wait or bad."""
    icons = {"ok": "check_circle", "wait": "schedule", "bad": "error", "info": "lightbulb"}
    icon = tag("span", icons[kind], class_="material-icons", aria_hidden="true")
    said = tag("div", tag("strong", text), tag("div", remedy) if remedy else None)
    role = "alert" if kind == "bad" else "status"
    return tag("div", icon, said, class_=f"notice {kind}", role=role)


def _heading(title: str, lead: str | None, crumbs: Markup | None) -> Markup:
    said = tag("p", lead, class_="lead") if lead else None
    return tag("div", tag("div", crumbs, tag("h1", title), said), class_="page-head")


def _navigation(path: str) -> ui.left_drawer:
    drawer = ui.left_drawer(value=None).classes("studio-drawer").props("width=232 breakpoint=1023")
    with drawer:
        html(_links(path))
    return drawer


def _links(path: str) -> Markup:
    parts: list[Child] = []
    for heading, links in NAVIGATION:
        if heading:
            parts.append(tag("h2", heading))
        for name, href, icon in links:
            is_here = path == href
            mark = tag("span", icon, class_="material-icons", aria_hidden="true")
            current = "page" if is_here else None
            parts.append(tag("a", mark, name, href=href, aria_current=current))
    return tag("nav", *parts, class_="nav", aria_label="Main")


def _head(studio: Studio, drawer: ui.left_drawer, dark: ui.dark_mode) -> None:
    with ui.header().classes("studio-header"):
        ui.button(icon="menu", on_click=drawer.toggle).props(
            'flat round dense color=grey-7 aria-label="Menu"'
        ).classes("lt-md")
        html(
            tag(
                "a",
                LOGO,
                tag("span", "OpenLedger"),
                href="/",
                class_="brand",
                aria_label="OpenLedger",
            )
        )
        field = (
            ui.input(placeholder="Search")
            .props('dense borderless aria-label="Search by anything" type=search')
            .classes("search")
        )
        with field.add_slot("prepend"):
            ui.icon("search")
        field.on("keydown.enter", lambda: ui.navigate.to(f"/search?q={quote(field.value or '')}"))
        state = html(_state(studio)).classes("head-end")
        every(REFRESH_S, lambda: _show(state, _state(studio)))

        def switch() -> None:
            is_dark = not app.storage.user.get("dark")
            app.storage.user["dark"] = is_dark
            dark.value = is_dark

        ui.button(icon="contrast", on_click=switch).props(
            'flat round dense color=grey-7 aria-label="Light or dark"'
        )


def _show(element: ui.html, content: Markup) -> None:
    if element.content != content:
        element.content = str(content)


def _state(studio: Studio) -> Markup:
    chain = studio.chain
    if not chain.is_connected:
        kind, text = "bad", "no node"
    elif chain.behind_blocks:
        kind, text = "wait", f"{number(chain.behind_blocks)} blocks to read"
    elif chain.age_ms() > STALE_S * 1_000:
        kind, text = "wait", f"no block for {span_text(chain.age_ms() // 1_000)}"
    else:
        kind, text = "ok", f"block {number(chain.height)}"
    dot = tag("span", class_=f"dot {kind}", aria_hidden="true")
    label = tag("span", text, class_="number")
    return tag("a", dot, label, href="/blocks", class_="head-state")
