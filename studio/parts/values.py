"""Values as people read them: amounts, accounts, hashes, times, shares."""

from __future__ import annotations

import time
from datetime import UTC, datetime

from markupsafe import Markup

from studio.parts.tags import Child, join, link, tag

UNITS_PER_OPEN = 10**18
DIGITS_SHOWN = 6
PPB = 10**9
SHORT_HEAD, SHORT_TAIL, SHORT_MIN = 6, 4, 16
_AGES = ((60, "s"), (60, "min"), (24, "h"), (365, "d"))


def number(value: int) -> str:
    """An integer with its digits grouped."""
    return f"{value:,}"


def amount_text(units: int, digits: int = DIGITS_SHOWN) -> str:
    """An amount in OPEN, rounded toward zero, without trailing zeros: `1,234.5`.

    What is not zero is never shown as zero: `<0.000001`.
    """
    sign, rest = ("-" if units < 0 else ""), abs(units)
    whole, fraction = divmod(rest, UNITS_PER_OPEN)
    decimals = f"{fraction:018}"[:digits].rstrip("0")
    if rest and not whole and not decimals:
        return f"{sign}<0.{'0' * (digits - 1)}1"
    return f"{sign}{whole:,}" + (f".{decimals}" if decimals else "")


def amount(units: int, digits: int = DIGITS_SHOWN) -> Markup:
    """An amount with its unit; all 18 digits on hover."""
    exact = f"{amount_text(units, 18)} OPEN"
    return tag(
        "span",
        amount_text(units, digits),
        tag("span", " OPEN", class_="unit"),
        class_="amount",
        title=exact,
    )


def share(part: int, whole: int, digits: int = 1) -> str:
    """A part of a whole in per cent; `-` of nothing."""
    return f"{100 * part / whole:.{digits}f} %" if whole else "-"


def ppb(value: int) -> str:
    """Parts per billion as per cent, without trailing zeros."""
    text = f"{100 * value / PPB:.7f}".rstrip("0").rstrip(".")
    return f"{text} %"


def short(digits: str) -> str:
    """The ends of a long hash."""
    whole = len(digits) <= SHORT_MIN
    return digits if whole else f"{digits[:SHORT_HEAD]}…{digits[-SHORT_TAIL:]}"


def digest(digits: str, href: str | None = None) -> Markup:
    """A hash: its ends, all of it on hover, and a button that copies it."""
    text = tag("span", short(digits), class_="mono", title=digits)
    return tag("span", link(text, href) if href else text, copy_button(digits), class_="digest")


def copy_button(text: str) -> Markup:
    """A button that copies a text."""
    return tag(
        "button",
        tag("span", "content_copy", class_="material-icons", aria_hidden="true"),
        class_="copy",
        type="button",
        data_copy=text,
        aria_label="Copy",
    )


def account(digits: str, name: str | None = None) -> Markup:
    """An account: a mark of its own, its name or the ends of its digits, and a link to it."""
    mark = tag("span", class_="mark", style=f"--mark:{_hue(digits)}", aria_hidden="true")
    text = name or short(digits)
    label = tag("span", text, class_=None if name else "mono")
    return tag("a", mark, label, href=f"/accounts/{digits}", class_="account", title=digits)


def block_link(height: int) -> Markup:
    """A block by its height."""
    return link(number(height), f"/blocks/{height}", "number")


def when(time_ms: int) -> Markup:
    """How long ago, kept current by the page; the time itself on hover."""
    if not time_ms:
        return Markup("<span class='muted'>-</span>")
    moment = datetime.fromtimestamp(time_ms / 1_000, UTC)
    exact = moment.strftime("%Y-%m-%d %H:%M:%S UTC")
    return tag(
        "time", ago(time_ms), datetime=moment.isoformat(), title=exact, data_ago=int(time_ms)
    )


def ago(time_ms: int, now_ms: int | None = None) -> str:
    """A distance in time in its largest unit: `3 min ago`, `in 2 h`."""
    now = int(time.time() * 1_000) if now_ms is None else now_ms
    distance = (now - time_ms) // 1_000
    text = span_text(abs(distance))
    if not distance:
        return "now"
    return f"{text} ago" if distance > 0 else f"in {text}"


def span_text(seconds: int) -> str:
    """A length of time in its largest unit."""
    value = seconds
    for size, unit in _AGES[:-1]:
        if value < size:
            return f"{value} {unit}"
        value //= size
    return f"{value} {_AGES[-1][1]}"


def badge(text: str, kind: str = "neutral") -> Markup:
    """A state; `kind` is ok, wait, bad, info or neutral, which a shape tells beside the colour."""
    icons = {"ok": "check_circle", "wait": "schedule", "bad": "error", "info": "info"}
    icon = icons.get(kind)
    mark = tag("span", icon, class_="material-icons", aria_hidden="true") if icon else None
    return tag("span", mark, text, class_=f"badge {kind}")


def call_name(name: str) -> Markup:
    """A call as `Pallet.call`, with a link to what it does."""
    pallet, _, call = name.partition(".")
    return tag(
        "a",
        tag("span", pallet, class_="pallet"),
        tag("span", f".{call}"),
        href=f"/pallets/{pallet}#{call}",
        class_="call",
    )


def facts(*pairs: tuple[str, Child]) -> Markup:
    """Names and values, one below the other."""
    return tag(
        "dl",
        *(join((tag("dt", name), tag("dd", value))) for name, value in pairs),
        class_="facts",
    )


def words(name: str) -> str:
    """A name out of the metadata as words: `publish_version` is `Publish version`."""
    spaced = "".join(f" {letter.lower()}" if letter.isupper() else letter for letter in name)
    text = spaced.replace("_", " ").strip()
    return text[:1].upper() + text[1:]


def _hue(digits: str) -> int:
    try:
        return int(digits[:4] or "0", 16) % 360
    except ValueError:
        return 0
