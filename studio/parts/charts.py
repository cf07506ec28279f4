"""Charts, by ECharts, which NiceGUI brings along: nothing is loaded from elsewhere.

The colours are Okabe and Ito's, which people with any kind of colour vision tell apart; what a
colour says, a label or a shape says, too.  Grey of the middle reads on both grounds.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from nicegui import ui

BLUE, ORANGE, GREEN, VERMILLION, SKY, PURPLE, YELLOW = (
    "#0072b2",
    "#e69f00",
    "#009e73",
    "#d55e00",
    "#56b4e9",
    "#cc79a7",
    "#f0e442",
)
PALETTE = (BLUE, ORANGE, GREEN, VERMILLION, SKY, PURPLE, YELLOW)
GREY = "#7b8794"
LINE = "rgba(123, 135, 148, 0.22)"
FONT = {"color": GREY, "fontSize": 12}
_AXIS = {
    "axisLabel": FONT,
    "axisLine": {"lineStyle": {"color": LINE}},
    "axisTick": {"show": False},
    "splitLine": {"lineStyle": {"color": LINE}},
    "nameTextStyle": FONT,
}
_TOOLTIP = {"trigger": "axis", "confine": True, "textStyle": {"fontSize": 12}}


_DRAW_ERROR = """(parameters, api) => {
  const [low, high] = [1, 2].map((each) => api.coord([api.value(each), api.value(0)]));
  const line = (a, b, c, d) => ({ type: 'line', shape: { x1: a, y1: b, x2: c, y2: d },
    style: { stroke: '#7b8794', lineWidth: 1.5 } });
  return { type: 'group', children: [line(low[0], low[1], high[0], high[1]),
    line(low[0], low[1] - 4, low[0], low[1] + 4),
    line(high[0], high[1] - 4, high[0], high[1] + 4)] };
}"""


def chart(options: Mapping[str, Any], label: str, height_px: int = 260) -> ui.echart:
    """A chart; `label` says to a screen reader what it shows."""
    base = {
        "animation": False,
        "color": list(PALETTE),
        "textStyle": {"fontFamily": "Roboto, Arial, sans-serif"},
    }
    element = ui.echart({**base, **options}, renderer="svg")
    element.style(f"height: {height_px}px; width: 100%").props(f'role=img aria-label="{label}"')
    return element


def axis(name: str = "", **options: Any) -> dict[str, Any]:
    """An axis of numbers."""
    return {"type": "value", "name": name, **_AXIS, **options}


def categories(names: Sequence[str], **options: Any) -> dict[str, Any]:
    """An axis of names."""
    return {"type": "category", "data": list(names), **_AXIS, **options}


def lines(
    series: Mapping[str, Sequence[tuple[float, float]]], x_name: str, y_name: str
) -> dict[str, Any]:
    """Curves over a common axis, each with its own dash besides its colour."""
    dashes = ("solid", "dashed", "dotted")
    return {
        "grid": {"left": 52, "right": 16, "top": 34, "bottom": 44},
        "legend": {"top": 0, "right": 12, "textStyle": FONT, "itemGap": 18},
        "tooltip": _TOOLTIP,
        "xAxis": axis(x_name, nameLocation="middle", nameGap=28),
        "yAxis": axis(y_name, scale=True),
        "series": [
            {
                "name": name,
                "type": "line",
                "data": [list(point) for point in points],
                "showSymbol": len(points) < 3,  # a line needs more
                "lineStyle": {"width": 2, "type": dashes[place % len(dashes)]},
            }
            for place, (name, points) in enumerate(series.items())
        ],
    }


def bars(names: Sequence[str], amounts: Sequence[float], unit: str) -> dict[str, Any]:
    """Bars beside their names, the largest on top; what is below zero has another colour."""
    return {
        "grid": {"left": 8, "right": 24, "top": 8, "bottom": 28, "containLabel": True},
        "tooltip": {**_TOOLTIP, "axisPointer": {"type": "shadow"}},
        "xAxis": axis(unit, nameLocation="middle", nameGap=24),
        "yAxis": categories(names, inverse=True),
        "series": [
            {
                "type": "bar",
                "barMaxWidth": 18,
                "data": [
                    {"value": each, "itemStyle": {"color": VERMILLION if each < 0 else BLUE}}
                    for each in amounts
                ],
            }
        ],
    }


def error_bars(items: Sequence[Sequence[float]]) -> dict[str, Any]:
    """Standard errors over `bars`: each is the bar's place, and where its error begins and ends."""
    return {
        "type": "custom",
        ":renderItem": _DRAW_ERROR,
        "encode": {"x": [1, 2], "y": 0},
        "data": [list(each) for each in items],
        "z": 10,
        "silent": True,
    }


def columns(names: Sequence[str], amounts: Sequence[float]) -> dict[str, Any]:
    """Slim columns over time, without axes: the shape is the message."""
    return {
        "grid": {"left": 4, "right": 4, "top": 6, "bottom": 4},
        "tooltip": {**_TOOLTIP, "axisPointer": {"type": "shadow"}},
        "xAxis": categories(names, show=False),
        "yAxis": axis(show=False),
        "series": [
            {
                "type": "bar",
                "data": list(amounts),
                "itemStyle": {"color": BLUE, "borderRadius": [2, 2, 0, 0]},
                "barCategoryGap": "25%",
            }
        ],
    }


def flows(links: Sequence[tuple[str, str, float]]) -> dict[str, Any]:
    """A Sankey diagram: from whom to whom, and how much."""
    names = list(dict.fromkeys(name for source, target, _ in links for name in (source, target)))
    return {
        "tooltip": {"trigger": "item", "confine": True},
        "series": [
            {
                "type": "sankey",
                "left": 4,
                "right": 130,
                "top": 8,
                "bottom": 8,
                "nodeGap": 12,
                "nodeWidth": 12,
                "label": FONT,
                "lineStyle": {"color": "gradient", "opacity": 0.35},
                "data": [
                    {"name": name, "itemStyle": {"color": PALETTE[place % len(PALETTE)]}}
                    for place, name in enumerate(names)
                ],
                "links": [
                    {"source": source, "target": target, "value": value}
                    for source, target, value in links
                    if value > 0
                ],
            }
        ],
    }
