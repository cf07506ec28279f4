"""Recipes: the parameters of a training job as a TOML file that a person writes.

    learning_rate = 0.006
    schedule = "cosine"
    epochs = 4
    target_modules = ["q_proj", "v_proj"]

What is left out is the default's.  Shares and rates are decimals here and billionths on chain;
`epochs` becomes `steps`, which may be given instead.
"""

from __future__ import annotations

import tomllib
from collections.abc import Callable, Mapping
from dataclasses import replace
from decimal import Decimal
from typing import Any

from ml.training.recipe import check_parameters, default_training_parameters, steps_of
from node.errors import ConfigError
from runtime.types import PPB
from runtime.wire.training_parameters import Schedule, TrainingParameters

RECIPE_BYTES_MAX = 65_536
_FRACTIONS = {
    "learning_rate": "learning_rate_ppb",
    "dropout": "dropout_ppb",
    "weight_decay": "weight_decay_ppb",
    "epsilon": "epsilon_ppb",
    "clip_norm": "clip_norm_ppb",
    "validation": "validation_ppb",
}
_COUNTS = (
    "steps",
    "batch_rows",
    "rank",
    "alpha",
    "warmup_steps",
    "tokens_max",
    "checkpoint_count",
    "seed",
)


def parse_recipe(text: str, row_count: int) -> TrainingParameters:
    """The parameters of a recipe for so many rows.

    Raises `ConfigError` for what is no recipe, and `OrderInvalid` for values out of bounds.
    """
    try:
        entries = tomllib.loads(text, parse_float=Decimal)
    except tomllib.TOMLDecodeError as error:
        message = f"The recipe is not TOML: {error}."
        raise ConfigError(message, remedy="Begin with `openledger job recipe`.") from error
    default = default_training_parameters(row_count)
    changes = dict(_change(name, value) for name, value in entries.items() if name != "epochs")
    parameters = replace(default, **changes)
    if "epochs" in entries:
        epochs = _integer("epochs", entries["epochs"])
        steps = steps_of(epochs, row_count, max(1, parameters.batch_rows))
        parameters = replace(parameters, steps=steps)
    check_parameters(parameters)
    return parameters


def render_recipe(parameters: TrainingParameters) -> str:
    """The recipe of some parameters, which parses to the same."""
    lines = [
        f"{name} = {_decimal(getattr(parameters, field))}" for name, field in _FRACTIONS.items()
    ]
    lines += [f"{name} = {getattr(parameters, name)}" for name in _COUNTS]
    lines.append(f'schedule = "{parameters.schedule.name.lower()}"')
    lines.append(f"packing = {str(parameters.packing).lower()}")
    escaped = parameters.prompt_template.replace("\\", "\\\\").replace('"', '\\"')
    escaped = escaped.replace("\n", "\\n").replace("\t", "\\t").replace("\r", "\\r")
    lines.append(f'prompt_template = "{escaped}"')
    names = ", ".join(f'"{name}"' for name in parameters.target_modules)
    lines.append(f"target_modules = [{names}]")
    return "\n".join(lines) + "\n"


def _change(name: str, value: Any) -> tuple[str, Any]:
    """The field of the parameters that an entry sets, and to what."""
    if name in _FRACTIONS:
        return _FRACTIONS[name], _billionths(name, value)
    if name in _COUNTS:
        return name, _integer(name, value)
    readers: Mapping[str, Callable[[Any], Any]] = {
        "schedule": lambda text: Schedule[text.upper()],
        "packing": _flag,
        "prompt_template": _text,
        "target_modules": lambda names: tuple(map(_text, names)),
    }
    if name not in readers:
        known = ", ".join([*_FRACTIONS, *_COUNTS, *readers, "epochs"])
        raise ConfigError(f"A recipe has no entry {name}.", remedy=f"It may have {known}.")
    try:
        return name, readers[name](value)
    except (KeyError, TypeError, AttributeError) as error:
        message = f"The recipe's {name} is {value!r}."
        raise ConfigError(message, remedy="Compare with `openledger job recipe`.") from error


def _billionths(name: str, value: Any) -> int:
    if isinstance(value, bool) or not isinstance(value, int | Decimal):
        raise ConfigError(f"The recipe's {name} is {value!r}.", remedy="Give a number.")
    scaled = Decimal(value) * PPB
    if scaled != scaled.to_integral_value() or not 0 <= scaled < 2**32:
        message = f"The recipe's {name} is {value}."
        raise ConfigError(message, remedy="Give a number of 0 to 4.29 with at most 9 decimals.")
    return int(scaled)


def _integer(name: str, value: Any) -> int:
    if isinstance(value, bool) or not isinstance(value, int) or not 0 <= value < 2**32:
        message = f"The recipe's {name} is {value!r}."
        raise ConfigError(message, remedy="Give a whole number that is not negative.")
    return value


def _flag(value: Any) -> bool:
    if not isinstance(value, bool):
        raise TypeError
    return value


def _text(value: Any) -> str:
    if not isinstance(value, str):
        raise TypeError
    return value


def _decimal(billionths: int) -> str:
    whole, fraction = divmod(billionths, PPB)
    return f"{whole}.{fraction:09d}".rstrip("0") + ("0" if not fraction else "")
