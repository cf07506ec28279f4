"""`python -m node.rpc.document`: write what there is to call, for programs and for people.

docs/reference/openrpc.json is the OpenRPC document; docs/operate/rpc-methods.md is the same as a
page.  A test fails where they are not what the code says.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from node.rpc.methods import public_document

DOCS = Path(__file__).parents[2] / "docs"
OPENRPC_FILE = DOCS / "reference" / "openrpc.json"
PAGE_FILE = DOCS / "operate" / "rpc-methods.md"
_HEAD = """# JSON-RPC methods

Written by `python -m node.rpc.document`; [rpc.md](rpc.md) says how to call them. The
[OpenRPC document](../reference/openrpc.json) has all types; a node answers it to `rpc.discover`.
"""


def encoded_document() -> str:
    """The OpenRPC document as its file has it."""
    return json.dumps(public_document(), indent=1) + "\n"


def page() -> str:
    """The page of all methods, by family."""
    parts = [_HEAD]
    family = ""
    for method in public_document()["methods"]:
        name = method["name"]
        if name.replace(".", "_").split("_")[0] != family:
            family = name.replace(".", "_").split("_")[0]
            parts.append(f"## {family}\n")
        parts.extend(_described(method))
    return "\n".join(parts)


def _described(method: Mapping[str, Any]) -> Iterable[str]:
    parameters = ", ".join(map(_parameter, method["params"]))
    yield f"### `{method['name']}({parameters})`\n"
    yield f"{method['summary']} {method.get('description', '')}".rstrip() + "\n"
    notification = method.get("x-notification")
    if notification:
        sent = _type(notification["result"])
        yield f"Then sends `{notification['method']}`: {sent}, until `{method['x-unsubscribe']}`.\n"
    else:
        yield f"Answers {_type(method['result']['schema'])}.\n"
    kinds = [f"`{error['data']['type']}` ({error['code']})" for error in method["errors"]]
    if kinds:
        yield f"Refuses with {', '.join(kinds)}.\n"


def _parameter(parameter: Mapping[str, Any]) -> str:
    default: object = parameter["schema"].get("default")
    return str(parameter["name"]) + ("" if parameter["required"] else f"={json.dumps(default)}")


def _type(schema: Mapping[str, Any]) -> str:
    """A JSON Schema in a few words."""
    if "$ref" in schema:
        return f"`{str(schema['$ref']).rsplit('/', 1)[1]}`"
    if "oneOf" in schema:
        return " or ".join([_type(each) for each in schema["oneOf"]])
    if "items" in schema and isinstance(schema["items"], Mapping):
        return f"an array of {_type(schema['items'])}"
    return "hexadecimal digits" if "pattern" in schema else str(schema.get("type", "any JSON"))


def write() -> None:
    """Write both files."""
    for file, text in ((OPENRPC_FILE, encoded_document()), (PAGE_FILE, page())):
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(text)


if __name__ == "__main__":
    write()
