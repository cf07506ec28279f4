"""First steps: three clicks from an empty chain to an answer whose sources are known.

Each step runs in a process of its own, which outlives the page; the page only looks.
"""

from __future__ import annotations

import asyncio
import sys
from pathlib import Path
from typing import Any
from urllib.parse import quote

from markupsafe import Markup
from nicegui import ui

from node.demo.lesson import read_lesson
from node.demo.processes import launch
from studio.context import Studio
from studio.frame import html, notice
from studio.parts.tags import tag
from studio.signing import told
from studio.tabs import every

POLL_S = 0.5
STEPS = (
    (
        "Load the sample data",
        "30 contributors commit 1,974 rows about Python's library; a curator reviews them.",
    ),
    (
        "Train a model on it",
        "A worker on this machine trains an adapter; you can watch its loss fall.",
    ),
    ("Ask it a question", "The answer streams; its sources and who is paid stand beside it."),
)


async def first_steps(studio: Studio) -> None:
    """The card with the three steps; nothing where this chain is not Studio's own."""
    path = studio.settings.lesson
    if path is None or studio.answers.of_anybody():
        return
    with ui.element("section").classes("card first-steps").props('aria-label="First steps"'):
        html(
            tag(
                "header",
                tag("h2", "See it work: three clicks"),
                tag("span", "a few minutes", class_="note"),
            )
        )
        body = ui.element("ol").classes("steps")
    shown: tuple[Any, ...] = ()

    async def refresh() -> None:
        nonlocal shown
        lesson = await asyncio.to_thread(read_lesson, path)
        now = (
            lesson.get("step"),
            bool(lesson.get("is_loaded")),
            bool(lesson.get("is_trained")),
            lesson.get("error"),
        )
        if now != shown:
            if lesson.get("names"):
                studio.names.add_all(lesson["names"])
            shown = now
            body.clear()
            with body:
                await _steps(studio, path, lesson)

    await refresh()
    every(POLL_S, refresh)


async def _steps(studio: Studio, path: Path, lesson: dict[str, Any]) -> None:
    done = (bool(lesson.get("is_loaded")), bool(lesson.get("is_trained")), False)
    running = {"data": 0, "train": 1}.get(lesson.get("step", ""), -1)
    next_step = done.index(False)
    for place, (title, text) in enumerate(STEPS):
        with ui.element("li").classes("step done" if done[place] else "step"):
            html(_head(place, title, text, is_done=done[place]))
            if place != next_step:
                continue
            if running == place and not lesson.get("error"):
                _progress(path)
                continue
            if lesson.get("error"):
                html(notice("This step failed.", str(lesson["error"]), "bad"))
            _button(studio, path, place, lesson)


def _head(place: int, title: str, text: str, *, is_done: bool) -> Markup:
    mark = tag(
        "span", "check" if is_done else str(place + 1), class_="material-icons" if is_done else None
    )
    return tag(
        "div",
        tag("span", mark, class_="step-mark", aria_hidden="true"),
        tag("div", tag("strong", title), tag("div", text, class_="muted small")),
        class_="step-head",
    )


def _progress(path: Path) -> None:
    bar = html("").classes("full-width")

    async def look() -> None:
        lesson = await asyncio.to_thread(read_lesson, path)
        total = float(lesson.get("total") or 1)
        part = min(1.0, float(lesson.get("done") or 0) / total)
        fill = tag("i", style=f"width:{100 * part:.0f}%")
        job = lesson.get("job")
        watch = tag("a", "Watch its loss", href=f"/jobs/{job}") if job is not None else None
        note = tag("div", str(lesson.get("note", "")), " ", watch, class_="muted small")
        bar.content = str(tag("div", tag("span", fill, class_="bar"), note))

    every(POLL_S, look)


def _button(studio: Studio, path: Path, place: int, lesson: dict[str, Any]) -> None:
    async def start(step: str) -> None:
        studio.settings.data.mkdir(parents=True, exist_ok=True)
        command = [sys.executable, "-m", "node.demo.lesson", step]
        command += [f"--node={studio.settings.node}", f"--file={path}"]
        await asyncio.to_thread(launch, command, path.with_suffix(".log"))

    if place == len(STEPS) - 1:
        href = f"/chat?model={lesson.get('model', '')}&ask={quote('first')}"
        ui.button(STEPS[place][0], icon="forum", on_click=lambda: ui.navigate.to(href)).props(
            "unelevated"
        )
        return
    step = ("data", "train")[place]
    ui.button(STEPS[place][0], icon="play_arrow", on_click=lambda: told(lambda: start(step))).props(
        "unelevated"
    )
