"""The text of a `weights.py`: provenance, a table of coefficients, and one weight for each call."""

from __future__ import annotations

import platform
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date
from pathlib import Path

from node.weighing.fit import COUNT_NAMES, PICO, CallWeight, Term
from node.weighing.measure import POINTS, RUNS

ARGUMENTS_MAX = 8
"""Of a function, by the linter's rules."""
_CPU_INFO = Path("/proc/cpuinfo")


@dataclass(frozen=True, slots=True)
class Provenance:
    """Where the figures of a weights.py come from."""

    day: date
    cpu: str
    python: str
    samples: int

    @classmethod
    def here(cls, samples: int) -> Provenance:
        """This machine, today."""
        # The day is for the reader of the file; UTC would be a day that nobody saw.
        today = date.today()  # noqa: DTZ011 # see above
        return cls(today, cpu_model(), platform.python_version(), samples)


def cpu_model() -> str:
    """The processor's name as the operating system tells it."""
    if _CPU_INFO.exists():
        for line in _CPU_INFO.read_text(encoding="utf-8", errors="replace").splitlines():
            name, _, value = line.partition(":")
            if name.strip() == "model name":
                return value.strip()
    return platform.processor() or platform.machine()


def render(pallet: str, calls: Sequence[CallWeight], provenance: Provenance) -> str:
    """The file's text; it is formatted and passes the linter."""
    heading = f"""Weights of {pallet}, made by `openledger pallet bench {pallet}`: do not edit.

date     {provenance.day.isoformat()}
cpu      {provenance.cpu}
python   {provenance.python}
samples  {provenance.samples} at each of up to {POINTS} sizes, each the fastest of {RUNS} runs

{_table(calls)}
Times are in nanoseconds, +- is their standard error.
"""
    text = f'"""{heading}"""\n\nfrom __future__ import annotations\n\n{_imports(calls)}'
    # Two blank lines around a function, none between constants: as the formatter has it.
    after_constant = True
    for index, call in enumerate(calls):
        text += "\n\n" if call.slopes or not after_constant else "\n" * (index == 0)
        text += _function(call) if call.slopes else _constant(call)
        after_constant = not call.slopes
    return text


def _imports(calls: Sequence[CallWeight]) -> str:
    slopes = [text for call in calls for text in call.slopes]
    lines = ""
    if any(text.startswith("len(") and "." not in text for text in slopes):
        lines += "from collections.abc import Sized\n"
    if any("." in text for text in slopes):
        lines += "from typing import Any\n"
    return f"{lines}\nfrom runtime import Weight\n" if lines else "from runtime import Weight\n"


def _table(calls: Sequence[CallWeight]) -> str:
    rows: list[tuple[str, ...]] = [("call", "per", *COUNT_NAMES, "time", "+-")]
    for call in calls:
        for text, term in [("call", call.base), *call.slopes.items()]:
            counts = [str(count) for count in term.counts]
            name = call.name if text == "call" else ""
            rows.append(
                (name, text, *counts, _nanoseconds(term.time_ps), _nanoseconds(term.error_ps))
            )
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    lines = ""
    for name, text, *numbers in rows:
        cells = [name.ljust(widths[0]), text.ljust(widths[1])]
        cells += [each.rjust(width) for each, width in zip(numbers, widths[2:], strict=True)]
        lines += "  ".join(cells).rstrip() + "\n"
    return lines


def _nanoseconds(time_ps: int) -> str:
    return f"{time_ps / PICO:.3f}" if time_ps < 100 * PICO else f"{time_ps // PICO}"


def _constant(call: CallWeight) -> str:
    lines = [f"    {name}={value}," for name, value in _parts(call)]
    return "\n".join([f"{call.name} = Weight(", *lines, ")", ""])


def _function(call: CallWeight) -> str:
    many = "  # noqa: PLR0913 # as the call" if len(call.arguments) > ARGUMENTS_MAX else ""
    used = {text.removeprefix("len(").rstrip(")").split(".")[0]: text for text in call.slopes}
    parameters = [f"    {_parameter(name, used.get(name))}," for name in call.arguments]
    lines = [f"        {name}={value}," for name, value in _parts(call)]
    return "\n".join(
        [
            f"def {call.name}({many}",
            *parameters,
            ") -> Weight:",
            f'    """The weight of `{call.name}` by its arguments."""',
            "    return Weight(",
            *lines,
            "    )",
            "",
        ]
    )


def _parameter(name: str, text: str | None) -> str:
    if text is None:
        return f"_{name}: object"
    if "." in text:
        return f"{name}: Any"
    return f"{name}: Sized" if text.startswith("len(") else f"{name}: int"


def _parts(call: CallWeight) -> list[tuple[str, str]]:
    """The keyword arguments of the `Weight`."""
    parts = []
    for place, name in enumerate(COUNT_NAMES):
        slopes = {text: term.counts[place] for text, term in call.slopes.items()}
        parts.append((name, _linear(call.base.counts[place], slopes)))
    parts.append(("time_ns", _time(call.base, call.slopes)))
    return parts


def _linear(base: int, slopes: dict[str, int]) -> str:
    terms = [_number(base)] if base else []
    terms += [
        text if slope == 1 else f"{_number(slope)} * {text}"
        for text, slope in slopes.items()
        if slope
    ]
    return " + ".join(terms) or "0"


def _time(base: Term, slopes: dict[str, Term]) -> str:
    """Whole nanoseconds; slopes that are no whole nanoseconds are divided in the end."""
    base_ns = -(-base.time_ps // PICO)
    if all(term.time_ps % PICO == 0 for term in slopes.values()):
        return _linear(base_ns, {text: term.time_ps // PICO for text, term in slopes.items()})
    sloped = _linear(0, {text: term.time_ps for text, term in slopes.items()})
    grouped = f"({sloped})" if " " in sloped else sloped
    return f"{_number(base_ns)} + {grouped} // {_number(PICO)}"


def _number(value: int) -> str:
    return f"{value:_}"
