"""`openledger query | status`: read the chain's state, the node's health, an extrinsic's fate."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING, Annotated, Any

import typer

from node.cli.flows import print_flows
from node.cli.key_choice import account_of
from node.cli.output import (
    DEFAULT_NODE_URL,
    JsonFlag,
    NodeUrl,
    print_fields,
    print_json,
    print_table,
)
from node.errors import ConfigError

if TYPE_CHECKING:
    from node.client import NodeClient
    from node.history.decoder import StoredItem
    from runtime.codec import Codec
    from runtime.storage import Map, Value

PalletName = Annotated[str | None, typer.Argument(help="Pallet, e.g. Balances.")]
ItemName = Annotated[str | None, typer.Argument(help="Storage item, e.g. accounts.")]
KeyParts = Annotated[
    list[str] | None, typer.Argument(help="The key's parts; none lists the whole map.")
]
Prove = Annotated[
    bool, typer.Option("--prove", help="Verify the value against a finalised header.")
]
At = Annotated[
    int | None, typer.Option(help="Read, and verify, at this height instead of the head.", min=0)
]
Epoch = Annotated[
    int | None, typer.Option(help="With `flows`: the epoch; the last one if not given.", min=0)
]
FLOWS = "flows"
Limit = Annotated[int, typer.Option(help="The most entries to list.", min=1, max=10_000)]
ExtrinsicHash = Annotated[
    str | None, typer.Argument(help="Look this extrinsic up instead of the node's health.")
]


def query(
    pallet: PalletName = None,
    item: ItemName = None,
    key: KeyParts = None,
    node: NodeUrl = DEFAULT_NODE_URL,
    limit: Limit = 100,
    prove: Prove = False,
    at: At = None,
    epoch: Epoch = None,
    as_json: JsonFlag = False,
) -> None:
    """Read a storage item: openledger query PALLET ITEM [KEY ...]; without ITEM, list the items.

    `openledger query flows --epoch E` says where the money of an epoch came from and went.

    Example: openledger query balances accounts dev:alice --prove
    """
    from node.client import NodeClient

    with NodeClient(node) as client:
        if pallet == FLOWS:
            print_flows(client, epoch, as_json)
            return
        if pallet is None or item is None:
            _list_items(client, pallet, as_json)
            return
        if prove or at is not None:
            decoder = client.decoder_at(at)
            stored = decoder.item(pallet_name(decoder.items, pallet), item)
            if key or stored.key_codec is None:
                _print_proved(client, stored, key_parts(stored.key_codecs, key or []), at)
                return
        name = pallet_name(client.runtime.pallets, pallet)
        declared = client.item(name, item)
        if key or not _is_map(declared):
            value = client.read(name, item, *key_parts(key_codecs(declared), key or []))
            print_json(value)
            return
        entries = client.entries(name, item, limit)
    if as_json:
        print_json([{"key": each, "value": value} for each, value in entries])
    else:
        print_table(("key", "value"), entries)


def _print_proved(client: NodeClient, item: StoredItem, parts: list[Any], at: int | None) -> None:
    """Print a value that was verified, and under which finalised header."""
    storage_key = item.storage_key(*parts)
    proved = client.proved([storage_key], at)
    encoded = proved.values[storage_key]
    print_json(
        {
            "value": None if encoded is None else item.codec.decode(encoded),
            "height": proved.head.height,
            "block": proved.head.header.id(),
        }
    )


def status(
    extrinsic: ExtrinsicHash = None,
    node: NodeUrl = DEFAULT_NODE_URL,
    as_json: JsonFlag = False,
) -> None:
    """Show the node's health and chain, or what became of an extrinsic.

    Example: openledger status
    """
    from node.client import NodeClient

    with NodeClient(node) as client:
        if extrinsic is None:
            fields = {"node": node, **client.properties, **client.call("system_health")}
        else:
            fields = dict(client.call("author_extrinsicStatus", extrinsic))
    (print_json if as_json else print_fields)(fields)


def _list_items(client: NodeClient, pallet: str | None, as_json: bool) -> None:
    pallets = client.runtime.pallets
    chosen = list(pallets) if pallet is None else [pallet_name(pallets, pallet)]
    rows = [
        (f"{name}.{item}", _type_of(declared))
        for name in chosen
        for item, declared in pallets[name].definition.storage.items()
    ]
    if as_json:
        print_json([{"item": item, "type": text} for item, text in rows])
    else:
        print_table(("item", "type"), rows)


def pallet_name(pallets: Iterable[str], pallet: str) -> str:
    """The pallet's own name, whatever capitals were typed; raises `ConfigError`."""
    known = list(pallets)
    for name in known:
        if name.lower() == pallet.lower():
            return name
    remedy = f"Choose one of {', '.join(known)}."
    if "." in pallet:
        remedy = f"Write two words: {pallet.replace('.', ' ', 1)}."
    raise ConfigError(f"There is no pallet {pallet!r}.", remedy=remedy)


def _is_map(declared: Value[Any] | Map[Any, Any]) -> bool:
    from runtime.storage import Map

    return isinstance(declared, Map)


def _type_of(declared: Value[Any] | Map[Any, Any]) -> str:
    from runtime.storage import Map

    value = declared.codec.describe()
    return f"{declared.key_codec.describe()} -> {value}" if isinstance(declared, Map) else value


def key_codecs(declared: Value[Any] | Map[Any, Any]) -> tuple[Codec[Any], ...]:
    """The codecs of the parts of an item's key; none for one value."""
    from runtime.codec import TupleCodec
    from runtime.storage import Map

    if not isinstance(declared, Map):
        return ()
    codec = declared.key_codec
    return codec.items if isinstance(codec, TupleCodec) else (codec,)


def key_parts(codecs: Sequence[Codec[Any]], words: list[str]) -> list[Any]:
    """The words as the typed parts of a key; raises `ConfigError` for a wrong number."""
    from node.cli.arguments import typed_value

    if len(words) != len(codecs):
        expected = " ".join(codec.describe() for codec in codecs) or "no key"
        message = f"The key has {len(words)} parts, not {len(codecs)}."
        raise ConfigError(message, remedy=f"Give {expected}.")
    return [
        typed_value(codec, word, f"part {index} of the key", account_of)
        for index, (codec, word) in enumerate(zip(codecs, words, strict=True))
    ]
