"""Writes a new pallet package: a folder whose tests are green before the first edit."""

from __future__ import annotations

import importlib.util
import keyword
import re
from dataclasses import dataclass
from importlib.resources import files
from importlib.resources.abc import Traversable
from pathlib import Path
from string import Template
from typing import Final

from node.errors import ConfigError

NAME_CHARACTERS_MAX = 40
_NAME = re.compile(r"[a-z][a-z0-9]*(_[a-z0-9]+)*")
_SUFFIX: Final = ".txt"
_PACKAGE_FOLDER: Final = "package"


@dataclass(frozen=True, slots=True)
class PackageNames:
    """What a package and its pallet are called."""

    module: str
    """As in `import name_service`."""

    @property
    def pallet(self) -> str:
        """The class: NameService."""
        return "".join(part.capitalize() for part in self.module.split("_"))

    @property
    def distribution(self) -> str:
        """As in `pip install name-service`."""
        return self.module.replace("_", "-")

    @property
    def title(self) -> str:
        """For people: Name service."""
        return self.module.replace("_", " ").capitalize()


def check_name(name: str) -> PackageNames:
    """The names that follow from `name`; raises `ConfigError` for one that cannot be a package."""
    module = name.replace("-", "_")
    if not _NAME.fullmatch(module) or len(module) > NAME_CHARACTERS_MAX:
        message = f"{name[:80]!r} cannot be the name of a pallet."
        remedy = f"Write up to {NAME_CHARACTERS_MAX} of a-z, 0-9 and _, such as name_service."
        raise ConfigError(message, remedy=remedy)
    if keyword.iskeyword(module) or importlib.util.find_spec(module) is not None:
        message = f"There is a Python package or keyword {module!r} already."
        raise ConfigError(message, remedy="Choose another name, or uninstall that package.")
    return PackageNames(module)


def write_package(parent: Path, name: str, index: int) -> Path:
    """Write the package `name` into a new folder of `parent`, and return that folder.

    Raises `ConfigError` if the name cannot be used or the folder exists.
    """
    names = check_name(name)
    root = parent / names.module
    values = {
        "module": names.module,
        "pallet": names.pallet,
        "distribution": names.distribution,
        "title": names.title,
        "index": str(index),
    }
    templates = files("node.scaffold").joinpath("templates")
    try:
        root.mkdir(parents=True)
        _write_folder(templates, root, values)
    except FileExistsError as error:
        message = f"{root} exists already."
        raise ConfigError(message, remedy="Choose another name or --directory.") from error
    except OSError as error:
        message = f"{root} cannot be written: {error.strerror}."
        raise ConfigError(message, remedy="Choose a --directory you may write to.") from error
    return root


def _write_folder(templates: Traversable, folder: Path, values: dict[str, str]) -> None:
    for template in templates.iterdir():
        if template.is_dir():
            name = values["module"] if template.name == _PACKAGE_FOLDER else template.name
            (folder / name).mkdir()
            _write_folder(template, folder / name, values)
        elif template.name.endswith(_SUFFIX):
            text = Template(template.read_text(encoding="utf-8")).substitute(values)
            (folder / template.name.removesuffix(_SUFFIX)).write_text(text, encoding="utf-8")
