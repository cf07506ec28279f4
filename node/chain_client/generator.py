"""Writes the typed client of a runtime from its metadata: one module.

The module needs an installed OpenLedger and no pallet's code: the annotations in it are the
encoding.  The metadata may come from a node that lies, so nothing of it gets into the source but
checked names, numbers, and texts inside quotes.
"""

from __future__ import annotations

import re
import textwrap
from collections.abc import Iterable, Mapping
from typing import Any

from node.chain_client.annotations import (
    LINE_CHARACTERS_MAX,
    Annotations,
    Named,
    call_lines,
    split_arguments,
)
from node.chain_client.base import BaseChain
from node.chain_client.notation import Enumeration, check_name, declared_name
from node.errors import ClientError

COMMAND = "openledger client generate"
DOCUMENTATION_CHARACTERS_MAX = 20_000
_IMPORTS = {
    "dataclasses": ("dataclass",),
    "enum": ("IntEnum",),
    "typing": ("Annotated", "Final"),
    "node.chain_client.base": ("DEFAULT_URL", "BaseChain", "BasePallet", "PalletError"),
    "node.chain_client.calls": ("call", "unsigned_call"),
    "node.chain_client.storage": ("DefaultMap", "Map", "Value"),
    "node.transport": ("PATIENCE_S",),
    "runtime.calls": ("RuntimeCall",),
    "runtime.events": ("Event",),
    "runtime.types": ("Between", "Length", "Max"),
}
_IMPORTED = frozenset(name for names in _IMPORTS.values() for name in names) | {"Chain"}
_CHAIN_ATTRIBUTES = frozenset({"connection", *dir(BaseChain)})


def generate(metadata: Mapping[str, Any]) -> str:
    """The source of the client's module; raises `ClientError` for metadata that is not sound."""
    try:
        source = _module(metadata)
        # Two arguments of one name, and whatever else is no program.
        compile(source, "the generated client", "exec")
    except (KeyError, TypeError, ValueError, AttributeError, SyntaxError) as error:
        message = f"The metadata is not that of a runtime: {type(error).__name__}: {error}."
        remedy = "Give what the method state_getMetadata answers."
        raise ClientError(message, remedy=remedy) from error
    return source


def attribute_of(pallet: str) -> str:
    """The attribute of a chain that a pallet is: `ContentStore` becomes `content_store`."""
    words = re.sub(r"(?<=[a-z0-9])(?=[A-Z])", "_", declared_name(pallet))
    return check_name(words.lower(), _CHAIN_ATTRIBUTES)


def _module(metadata: Mapping[str, Any]) -> str:
    name, version = check_name(metadata["name"]), int(metadata["spec_version"])
    pallets = sorted(metadata["pallets"], key=lambda pallet: int(pallet["index"]))
    _check_unique([pallet["name"] for pallet in pallets])
    annotations = Annotations(_taken_names(pallets))
    bodies = [_pallet(pallet, annotations) for pallet in pallets]
    _check_unique([*annotations.aliases, *annotations.taken])
    records = [_record(record, annotations) for record in annotations.records]
    aliases = [_alias(name, source) for name, source in sorted(annotations.aliases.items())]
    blocks = [*records, *bodies, _chain(name, version, pallets)]
    body = "\n\n\n".join("\n".join(block) for block in blocks)
    title = f"Typed client of the runtime {name}, spec version {version}."
    return "\n".join(
        [
            f'"""{title}',
            "",
            f"Written by `{COMMAND}`: do not edit it, generate it again.",
            '"""',
            "",
            "from __future__ import annotations",
            "",
            *_imports("\n".join([*aliases, body])),
            "",
            *aliases,
            "",
            "",
            body,
            "",
        ]
    )


def _taken_names(pallets: Iterable[Mapping[str, Any]]) -> set[str]:
    """Names that a record may not have: annotations are looked up inside the pallets' classes."""
    taken = set(_IMPORTED)
    for pallet in pallets:
        taken.add(pallet["name"])
        taken.update(each["name"] for part in ("events", "errors") for each in pallet[part])
    return taken


def _check_unique(names: list[str]) -> None:
    for name in names:
        if names.count(name) > 1:
            message = f"The name {str(name)[:80]!r} is there twice."
            raise ClientError(message, remedy="Do not trust the node that it came from.")


def _imports(source: str) -> list[str]:
    """Import what the source uses, standard library first."""
    words = set(re.findall(r"\w+", source))
    lines: list[str] = []
    for module, names in _IMPORTS.items():
        if module == "node.chain_client.base":
            lines.append("")
        used = sorted((name for name in names if name in words), key=_import_order)
        if used:
            lines.append(f"from {module} import {', '.join(used)}")
    return lines


def _import_order(name: str) -> tuple[int, str]:
    """Constants, then classes, then functions, as the formatter sorts them."""
    return (0 if name.isupper() else 1 if name[0].isupper() else 2, name)


def _record(record: Named, annotations: Annotations) -> list[str]:
    name, users = annotations.records[record], annotations.users[record]
    documentation = (
        f"Part of what {_and(users)} {'stores' if len(users) == 1 else 'store'} or takes."
    )
    if isinstance(record, Enumeration):
        members = [f"    {member} = {number}" for member, number in record.members]
        return [f"class {name}(IntEnum):", *_docstring(documentation, 4), "", *members]
    fields = [f"    {line}" for line in annotations.fields(record, users[0])]
    head = ["@dataclass(frozen=True, slots=True)", f"class {name}:"]
    return [*head, *_docstring(documentation, 4), *([""] if fields else []), *fields]


def _pallet(pallet: Mapping[str, Any], annotations: Annotations) -> list[str]:
    name = check_name(pallet["name"], _IMPORTED)
    events = sorted(pallet["events"], key=lambda event: int(event["index"]))
    if [int(event["index"]) for event in events] != list(range(len(events))):
        raise ClientError(f"The events of {name} have gaps.", remedy="Ask another node.")
    members = [each["name"] for part in ("constants", "storage", "events", "errors", "calls")
               for each in pallet[part]]  # fmt: skip
    _check_unique(members)
    lines = [f"class {name}(BasePallet, index={int(pallet['index'])}):"]
    lines += _docstring(pallet["documentation"] or f"The pallet {name}.", 4)
    for declarations in (
        [_constant(each, name, annotations) for each in pallet["constants"]],
        [_item(each, name, annotations) for each in pallet["storage"]],
    ):
        lines += ["", *(line for each in declarations for line in each)] if declarations else []
    definitions = [_event(each, name, annotations) for each in events]
    definitions += [_error(each, name) for each in pallet["errors"]]
    definitions += [
        _call(each, name, annotations) for each in pallet["calls"] if each["origin"] != "inherent"
    ]
    for definition in definitions:
        lines += ["", *definition]
    return lines


def _constant(constant: Mapping[str, Any], pallet: str, annotations: Annotations) -> list[str]:
    name = check_name(constant["name"], _IMPORTED)
    annotation = annotations.of(constant["type"], pallet)
    value = annotations.value(constant["type"], constant["value"], pallet)
    return _assignment(f"{name}: Final[{annotation}] = ", value)


def _item(item: Mapping[str, Any], pallet: str, annotations: Annotations) -> list[str]:
    name, has_default = check_name(item["name"], _IMPORTED), "default" in item
    annotation = annotations.of(item["type"], pallet)
    default = annotations.value(item["type"], item["default"], pallet) if has_default else ""
    if item["kind"] == "value":
        return _assignment(f"{name} = Value[{annotation}]", f"({default})")
    key = annotations.of_key(item["key"], pallet)
    kind = "DefaultMap" if has_default else "Map"
    return _assignment(f"{name} = {kind}[{key}, {annotation}]", f"({default})")


def _alias(name: str, source: str) -> str:
    """`name = Annotated[...]`, on one line or on three."""
    line = f"{name} = {source}"
    if len(line) <= LINE_CHARACTERS_MAX:
        return line
    head, _, inside = source[:-1].partition("[")
    return f"{name} = {head}[\n    {inside}\n]"


def _assignment(head: str, value: str) -> list[str]:
    if len(head) + len(value) + 4 <= LINE_CHARACTERS_MAX or not value.endswith(")"):
        return [f"    {head}{value}"]
    start, _, inside = value[:-1].partition("(")
    return call_lines(head + start, split_arguments(inside), "", 4)


def _event(event: Mapping[str, Any], pallet: str, annotations: Annotations) -> list[str]:
    name = check_name(event["name"], _IMPORTED)
    lines = [f"    class {name}(Event):"]
    lines += _docstring(event["documentation"] or f"{pallet}.{name}.", 8)
    fields = [
        f"        {check_name(each['name'])}: {annotations.of(each['type'], pallet)}"
        for each in event["fields"]
    ]
    return [*lines, "", *fields] if fields else lines


def _error(error: Mapping[str, Any], pallet: str) -> list[str]:
    name = check_name(error["name"], _IMPORTED)
    documentation = error["documentation"] or f"{pallet}.{name}."
    return [f"    class {name}(PalletError):", *_docstring(documentation, 8)]


def _call(call: Mapping[str, Any], pallet: str, annotations: Annotations) -> list[str]:
    name = check_name(call["name"], _IMPORTED)
    arguments = [
        f"{check_name(each['name'], ('self',))}: {annotations.of(each['type'], pallet)}"
        for each in call["arguments"]
    ]
    documentation = call["documentation"] or f"{pallet}.{name}."
    decorator = "call" if call["origin"] == "signed" else "unsigned_call"
    return [
        f"    @{decorator}({int(call['index'])})",
        *call_lines(f"def {name}", ["self", *arguments], " -> None:", 4),
        *_docstring(documentation, 8),
    ]


def _chain(name: str, version: int, pallets: Iterable[Mapping[str, Any]]) -> list[str]:
    names = [check_name(pallet["name"], _IMPORTED) for pallet in pallets]
    attributes = [attribute_of(pallet) for pallet in names]
    _check_unique(attributes)
    return [
        "class Chain(BaseChain):",
        *_docstring(f"A node of {name}: `with Chain(URL) as chain: ...`.", 4),
        "",
        f'    RUNTIME = "{name}"',
        f"    SPEC_VERSION = {version}",
        *call_lines("PALLETS = ", names if len(names) > 1 else [f"{names[0]},"], "", 4),
        "",
        *call_lines(
            "def __init__",
            ["self", "url: str = DEFAULT_URL", "*", "patience_s: float = PATIENCE_S"],
            " -> None:",
            4,
        ),
        '        """Prepare to talk to the node at `url`; nothing is sent yet."""',
        "        super().__init__(url, patience_s=patience_s)",
        *(
            f"        self.{attribute} = {pallet}(self)"
            for attribute, pallet in zip(attributes, names, strict=True)
        ),
    ]


def _docstring(text: str, indent: int) -> list[str]:
    """A text of the metadata as a docstring: whatever is in it, it stays inside the quotes."""
    cut = str(text)[:DOCUMENTATION_CHARACTERS_MAX]
    printable = "".join(each if each.isprintable() or each == "\n" else "?" for each in cut)
    space = " " * indent
    paragraphs = [each.strip() for each in printable.split("\n\n") if each.strip()] or ["-"]
    width = LINE_CHARACTERS_MAX - indent
    # Escaped after the lines are known: no line ends between a backslash and what it escapes.
    lines = [
        line.replace("\\", "\\\\").replace('"""', '\\"\\"\\"')
        for number, paragraph in enumerate(paragraphs)
        for line in ([""] if number else []) + textwrap.wrap(paragraph, width - 3 * (number == 0))
    ]
    # A quotation mark at the end would run into the closing quotes.
    if lines[-1].endswith('"'):
        lines[-1] += " "
    if len(lines) == 1 and len(lines[0]) + 6 <= width:
        return [f'{space}"""{lines[0]}"""']
    body = [f"{space}{line}" if line else "" for line in lines[1:]]
    return [f'{space}"""{lines[0]}', *body, f'{space}"""']


def _and(names: list[str]) -> str:
    return names[0] if len(names) == 1 else f"{', '.join(names[:-1])} and {names[-1]}"
