"""Reference pages of the pallets and their parameters, generated from the metadata.

`python -m genesis.metadata_lock` writes docs/reference/pallets/*.md and parameters.md beside them.
Nobody edits them: a test compares them with what the runtime says of itself.  The values of
parameters are those that a new chain begins with; `openledger gov parameters` asks a chain.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any

from genesis.compose import compose_runtime
from genesis.parameters import built_in_parameters
from genesis.toml_records import write_value

DIRECTORY = Path(__file__).resolve().parent.parent / "docs" / "reference"
_MADE = "<!-- Made by `python -m genesis.metadata_lock`: do not edit. -->\n"
_ANYBODY = {"signed": "an account", "root": "the chain", "inherent": "the proposer of a block"}
_OWNERS = {False: "parameters", True: "root"}


def pages() -> dict[Path, str]:
    """Every page with its text."""
    metadata = compose_runtime().metadata()
    found = {
        DIRECTORY / "pallets" / f"{_file_name(pallet)}.md": _pallet_page(pallet)
        for pallet in metadata["pallets"]
    }
    found[DIRECTORY / "pallets" / "README.md"] = _index(metadata)
    found[DIRECTORY / "parameters.md"] = _parameters_page(metadata)
    return found


def write_pages() -> None:
    """Write every page, and remove those of pallets that are gone."""
    texts = pages()
    folder = DIRECTORY / "pallets"
    folder.mkdir(parents=True, exist_ok=True)
    for path in folder.glob("*.md"):
        if path not in texts:
            path.unlink()
    for path, text in texts.items():
        path.write_text(text, encoding="utf-8")


def _index(metadata: Mapping[str, Any]) -> str:
    rows = [
        (f"[{each['name']}]({_file_name(each)}.md)", str(each["index"]), _line(each))
        for each in metadata["pallets"]
    ]
    return f"{_MADE}# Pallets\n\n{_table(('pallet', 'index', ''), rows)}"


def _pallet_page(pallet: Mapping[str, Any]) -> str:
    name = pallet["name"]
    parts = [f"{_MADE}# {name}\n\n{pallet['documentation']} Index {pallet['index']}.\n"]
    readme = f"../../../pallets/{_folder(name)}/README.md"
    parts.append(f"Rules, terms and invariants: [its README]({readme}).\n")
    parts += _section("Calls", map(_call, pallet["calls"]))
    parts += _rows("Parameters", ("parameter", "default", "type", ""), _parameters(pallet))
    parts += _rows("Constants", ("constant", "type", "value"), _constants(pallet))
    parts += _rows("Storage", ("item", "key", "type"), _storage(pallet))
    parts += _rows("Events", ("event", "fields", ""), map(_event, pallet["events"]))
    parts += _rows("Errors", ("error", "", "remedy"), map(_error, pallet["errors"]))
    return "\n".join(parts)


def _parameters_page(metadata: Mapping[str, Any]) -> str:
    rows = [
        (f"`{pallet['name']}.{row[0].strip('`')}`", *row[1:], _OWNERS[is_guarded])
        for pallet in metadata["pallets"]
        for row, is_guarded in zip(
            _parameters(pallet), [each["guarded"] for each in pallet["parameters"]], strict=True
        )
    ]
    columns = ("parameter", "default", "type", "", "track")
    return (
        f"{_MADE}# Parameters\n\n"
        "What referenda change, with the values that a new chain begins with; amounts as texts are "
        "in OPEN, shares in billionths. What a running chain has: `openledger gov parameters`. How "
        "they are changed: [vote](../operate/vote.md).\n\n"
        f"{_table(columns, rows)}"
    )


def _parameters(pallet: Mapping[str, Any]) -> Iterator[tuple[str, ...]]:
    declared = built_in_parameters()
    types = {item["name"]: item["type"] for item in pallet["storage"]}
    for each in pallet["parameters"]:
        parameter = declared[pallet["name"], each["name"]]
        default = write_value(parameter.default, parameter.annotation)
        name = each["name"]
        yield f"`{name}`", f"`{default}`", f"`{types[name]}`", each["documentation"]


def _constants(pallet: Mapping[str, Any]) -> Iterator[tuple[str, ...]]:
    for each in pallet["constants"]:
        yield f"`{each['name']}`", f"`{each['type']}`", f"`{each['value']}`"


def _storage(pallet: Mapping[str, Any]) -> Iterator[tuple[str, ...]]:
    parameters = [each["name"] for each in pallet["parameters"]]
    for each in pallet["storage"]:
        if each["name"] not in parameters:
            key = f"`{each['key']}`" if "key" in each else ""
            yield f"`{each['name']}`", key, f"`{each['type']}`"


def _call(call: Mapping[str, Any]) -> str:
    arguments = ", ".join(f"{each['name']}: {each['type']}" for each in call["arguments"])
    origin = call["origin"]
    by = _ANYBODY.get(origin, f"the {origin.removeprefix('track ')} track")
    return (
        f"### {call['name']}\n`{call['name']}({arguments})`, by {by}.\n\n{call['documentation']}\n"
    )


def _event(event: Mapping[str, Any]) -> tuple[str, ...]:
    fields = ", ".join(each["name"] for each in event["fields"])
    return f"`{event['name']}`", fields, _first(event["documentation"])


def _error(error: Mapping[str, Any]) -> tuple[str, ...]:
    return f"`{error['name']}`", error["documentation"], error["remedy"]


def _section(title: str, texts: Iterable[str]) -> list[str]:
    found = list(texts)
    return [f"## {title}\n", *found] if found else []


def _rows(title: str, columns: tuple[str, ...], rows: Iterable[tuple[str, ...]]) -> list[str]:
    found = list(rows)
    return [f"## {title}\n\n{_table(columns, found)}"] if found else []


def _table(columns: tuple[str, ...], rows: Iterable[tuple[str, ...]]) -> str:
    lines = [columns, ("---",) * len(columns), *rows]
    return "".join(f"| {' | '.join(_cell(each) for each in line)} |\n" for line in lines)


def _cell(text: str) -> str:
    return text.replace("|", "\\|").replace("\n", " ")


def _first(documentation: str) -> str:
    return " ".join(documentation.split("\n\n", maxsplit=1)[0].split())


def _line(pallet: Mapping[str, Any]) -> str:
    return _first(pallet["documentation"])


def _folder(name: str) -> str:
    """`DatanetVotes` -> `datanet_votes`."""
    letters = [f"_{each.lower()}" if each.isupper() else each for each in name]
    return "".join(letters).lstrip("_")


def _file_name(pallet: Mapping[str, Any]) -> str:
    return _folder(pallet["name"])
