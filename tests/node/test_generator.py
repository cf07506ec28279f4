"""The generated client is current, encodes like the runtime, and holds nothing but what it should."""

from __future__ import annotations

import ast
import contextlib
import copy
import json
import sys
import types
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from genesis.compose import compose_runtime
from node.chain_client import openledger
from node.chain_client.base import BasePallet
from node.chain_client.calls import Sender
from node.chain_client.generator import COMMAND, attribute_of, generate
from node.chain_client.notation import (
    Boolean,
    Enumeration,
    Integer,
    Optional,
    Record,
    Sequence,
    Sized,
    Tuple,
    Type,
    parse_type,
)
from node.errors import ClientError
from runtime.cbor import encode
from runtime.codec import codec_of
from runtime.errors import OpenLedgerError
from runtime.storage import storage_key
from tests.runtime.token_pallet import compose as compose_tokens

METADATA = json.loads(json.dumps(compose_runtime().metadata()))
MODULE = Path(openledger.__file__)


def load(source: str) -> types.ModuleType:
    """A generated module, imported."""
    module = types.ModuleType("generated_client")
    sys.modules["generated_client"] = module
    exec(compile(source, "generated_client", "exec"), module.__dict__)  # noqa: S102 # our own source
    return module


def sample(kind: Type, largest: bool) -> Any:  # noqa: PLR0911 # one a kind
    """The plain data of the smallest or the largest value of a type."""
    match kind:
        case Boolean():
            return largest
        case Integer():
            return kind.most if largest else kind.least
        case Sized(kind="text"):
            return "x" * kind.count * largest
        case Sized(kind="call"):
            return [0, 0, [b"data"]]
        case Sized():
            return b"\xff" * kind.count if largest or kind.exact else b""
        case Optional():
            return sample(kind.item, largest) if largest else None
        case Sequence():
            return [sample(kind.item, largest)] * (kind.most * largest)
        case Tuple():
            return [sample(item, largest) for item in kind.items]
        case Enumeration():
            return kind.members[-largest][1]
        case Record():
            return [sample(item, largest) for _, item in kind.fields]


def changed(path: tuple[Any, ...], value: Any) -> Any:
    """Our metadata with one thing replaced."""
    metadata = copy.deepcopy(METADATA)
    target = metadata
    for step in path[:-1]:
        target = target[step]
    target[path[-1]] = value
    return metadata


PALLETS = [pallet["name"] for pallet in METADATA["pallets"]]
BALANCES = ("pallets", PALLETS.index("Balances"))


def pallet_of(module: types.ModuleType, name: str) -> Any:
    """A generated pallet, on a chain that sends nothing."""

    class Nothing(Sender):
        submit = fee = dry_run = None  # type: ignore[assignment] # nothing is sent

    pallet: type[BasePallet] = getattr(module, name)
    bound = pallet.__new__(pallet)
    bound._sender = Nothing()
    return bound


def signed_calls(pallet: Any) -> list[Any]:
    """The calls of a pallet that an account can make: what a client has."""
    return [call for call in pallet["calls"] if call["origin"] == "signed"]


def test_the_committed_client_is_current() -> None:
    """A change of the runtime is followed by a new client."""
    generated = generate(METADATA)
    message = f"run `{COMMAND} --output node/chain_client/{MODULE.name}`"
    assert MODULE.read_text() == generated, message


@pytest.mark.parametrize("metadata", [METADATA, compose_tokens()[0].metadata()])
def test_every_call_is_encoded_as_the_runtime_does(metadata: Any) -> None:
    """The smallest and the largest arguments of every call give the runtime's bytes."""
    module = load(generate(metadata))
    for pallet in metadata["pallets"]:
        bound = pallet_of(module, pallet["name"])
        for each in signed_calls(pallet):
            method = vars(type(bound))[each["name"]]
            kinds = [parse_type(argument["type"]) for argument in each["arguments"]]
            for largest in (False, True):
                plain = [sample(kind, largest) for kind in kinds]
                pairs = zip(method._codecs.values(), plain, strict=True)
                values = [codec.decode(encode(part)) for codec, part in pairs]
                made = getattr(bound, each["name"])(*values)
                assert encode(made.to_plain()) == encode([pallet["index"], each["index"], plain])


@pytest.mark.parametrize("metadata", [METADATA, compose_tokens()[0].metadata()])
def test_every_type_comes_back_as_it_was(metadata: Any) -> None:
    """Storage, events and calls describe themselves as the metadata does."""
    module = load(generate(metadata))
    for pallet in metadata["pallets"]:
        generated = getattr(module, pallet["name"])
        for event, kind in zip(pallet["events"], generated._events, strict=True):
            items = kind.event_definition.codec.items
            assert {name: item.describe() for name, item in items.items()} == {
                field["name"]: field["type"] for field in event["fields"]
            }
        for item in pallet["storage"]:
            declared = vars(generated)[item["name"]]
            assert declared._codec.describe() == item["type"]
            prefix = declared._prefix if item["kind"] == "map" else declared._key
            assert prefix.hex() == item["prefix"]
        for call in signed_calls(pallet):
            codecs = vars(generated)[call["name"]]._codecs
            assert {name: codec.describe() for name, codec in codecs.items()} == {
                argument["name"]: argument["type"] for argument in call["arguments"]
            }


def test_constants_and_defaults_are_the_runtimes() -> None:
    """Values of every type are written as source that gives them back."""
    for pallet in METADATA["pallets"]:
        generated = getattr(openledger, pallet["name"])
        for constant in pallet["constants"]:
            value = getattr(generated, constant["name"])
            kind = parse_type(constant["type"])
            codec = codec_of(type(value)) if isinstance(kind, Record) else None
            assert (list(codec.to_plain(value)) if codec else value) == constant["value"]
        for item in pallet["storage"]:
            if "default" in item:
                declared = vars(generated)[item["name"]]
                plain = declared._codec.to_plain(declared._default)
                assert encode(plain) == encode(item["default"])


@pytest.mark.parametrize(
    ("notation", "given", "value"),
    [
        ("bool", True, True),
        ("i64", -5, -5),
        ("int[-7..5]", -7, -7),
        ("int[-70000..5]", 0, 0),
        ("int[-65536..65536]", 0, 0),
        ("bytes[2]", "0aff", b"\x0a\xff"),
        ("bytes[..9]", "0000", bytes(2)),
        ("text[..9]", 'a"b\\\n', 'a"b\\\n'),
        ("u8?", None, None),
        ("u8?", 7, 7),
        ("[u8; ..3]", [1], (1,)),
        ("[u8; ..3]", [], ()),
        ("(u8, (bool, u8))", [1, [False, 2]], (1, (False, 2))),
        ("()", [], ()),
        ("(Choice(NO=0, YES=1), Empty())", [1, []], "(Choice.YES, Empty())"),
        ("[Point(x: i64, y: i64); ..2]", [[-1, 2]], "(Point(x=-1, y=2),)"),
    ],
)
def test_a_value_of_every_type_becomes_source(notation: str, given: Any, value: Any) -> None:
    """A constant of any type is there in the generated class as itself."""
    constant = {"name": "constant", "type": notation, "value": given}
    module = load(generate(changed((*BALANCES, "constants"), [constant])))
    expected = eval(value, module.__dict__) if isinstance(value, str) and "(" in value else value  # noqa: S307 # our own
    assert module.Balances.constant == expected
    annotation = module.Balances.__annotations__["constant"].removeprefix("Final[")[:-1]
    assert codec_of(eval(annotation, module.__dict__)).describe() == notation  # noqa: S307 # our own


@pytest.mark.parametrize(
    "text",
    [
        "", "u7", "int[1..]", "int[..2]", "bytes[32", "bytes[a]", "[u8; 7]", "[u8;..7]", "(u8,u8)",
        "u8??", "u8 ", "A", "A(b)", "A(b: u8, c=1)", "A(b=1, c: u8)", "A(b=1,)", "__A(b: u8)",
        "A(b: u8\n)", "é(b: u8)", "[" * 40 + "u8", "A(import os: u8)", "int[9" + "9" * 90 + "..1]",
    ],
)  # fmt: skip
def test_what_is_no_notation_is_refused(text: str) -> None:
    """No type, no name that is not one, and no depth without end."""
    with pytest.raises(ClientError):
        parse_type(text)


@settings(deadline=None)
@given(st.text())
def test_no_text_breaks_the_parser(text: str) -> None:
    """Whatever comes is a type or a typed error."""
    with contextlib.suppress(ClientError):
        parse_type(text)


PIECES = ('"', '"""', "'", "\\", "\n", "\n\n", "\r", "\x85", "\x00", "\ud800", " ", "x" * 90, "y")
EVIL = "x\n\nimport os\nos.system('echo')"


@pytest.mark.parametrize(
    ("path", "value"),
    [
        (("name",), EVIL),
        (("spec_version",), EVIL),
        (("pallets",), [{}]),
        (("pallets",), None),
        ((*BALANCES, "name"), EVIL),
        ((*BALANCES, "name"), "System"),
        ((*BALANCES, "index"), EVIL),
        ((*BALANCES, "calls", 0, "name"), EVIL),
        ((*BALANCES, "calls", 0, "name"), "_sender"),
        ((*BALANCES, "calls", 0, "name"), "accounts"),
        ((*BALANCES, "calls", 0, "arguments", 0, "name"), EVIL),
        ((*BALANCES, "calls", 0, "arguments", 0, "type"), EVIL),
        ((*BALANCES, "calls", 0, "arguments", 0, "name"), "amount"),
        ((*BALANCES, "events", 0, "index"), 7),
        ((*BALANCES, "events", 0, "name"), EVIL),
        ((*BALANCES, "errors", 0, "name"), EVIL),
        ((*BALANCES, "storage", 0, "default"), EVIL),
        ((*BALANCES, "storage", 1, "default"), [1]),
        ((*BALANCES, "constants", 0, "value"), EVIL),
        ((*BALANCES, "constants", 0, "value"), None),
    ],
)
def test_metadata_that_lies_is_refused(path: tuple[Any, ...], value: Any) -> None:
    """Nothing of it gets into the source of a program."""
    with pytest.raises(OpenLedgerError):
        generate(changed(path, value))


@settings(deadline=None)
@given(
    st.text(max_size=200) | st.sampled_from(['"', '"""', "\\", 'x\\"""', "a\n\nb", EVIL, '""""'])
)
def test_documentation_stays_inside_its_quotes(text: str) -> None:
    """A text with quotes, backslashes or code is a docstring and nothing else."""
    trees = []
    for documentation in (text, "A sentence."):
        metadata = changed((*BALANCES, "documentation"), documentation)
        metadata["pallets"] = [metadata["pallets"][BALANCES[1]]]
        tree = ast.parse(generate(metadata))
        for node in ast.walk(tree):
            if isinstance(node, ast.ClassDef) and node.name == "Balances":
                assert ast.get_docstring(node) is not None
                del node.body[0]
        trees.append(ast.dump(tree))
    assert trees[0] == trees[1]


def test_names_that_collide_are_told_apart() -> None:
    """Two records of one name, a record like an event, an attribute of the chain, a keyword."""
    metadata = copy.deepcopy(METADATA)
    system, balances = (metadata["pallets"][PALLETS.index(name)] for name in ("System", "Balances"))
    system["storage"][0] |= {"type": "Account(x: u8)", "default": [1]}
    system["calls"][0]["arguments"][0]["name"] = "class"
    del balances["storage"][0]["default"]
    balances["storage"][0] |= {"kind": "map", "key": "(u8)", "type": "Transfer(a: u8)"}
    module = load(generate(metadata))
    first = system["storage"][0]["name"]
    assert module.Account(x=1) == vars(module.System)[first]._default
    account = module.BalancesAccount(nonce=0, free=0, held=0, bonded=0, locked=0)
    assert account == vars(module.Balances)["accounts"]._default
    assert module.BalancesTransfer(a=1).a == 1
    assert pallet_of(module, "System").remark(class_=b"").to_plain() == (0, 0, (b"",))
    assert attribute_of("Events") == "events_"
    assert attribute_of("ContentStore") == "content_store"
    assert attribute_of("Import") == "import_"


def test_names_of_the_module_itself_are_evaded() -> None:
    """Whatever a pallet calls its parts, they read and encode as declared."""
    metadata = copy.deepcopy(METADATA)
    system, balances = (metadata["pallets"][PALLETS.index(name)] for name in ("System", "Balances"))
    system["name"] = "Map"
    balances["calls"][0]["name"] = "call"
    balances["events"][0]["name"] = "Event"
    balances["errors"][0]["name"] = "PalletError"
    balances["storage"][1]["name"] = "Value"
    module = load(generate(metadata))
    pallet = pallet_of(module, "Balances")
    assert pallet.call_(bytes(32), 5).to_plain()[:2] == (2, 0)
    assert pallet.approve(bytes(32), 5).to_plain()[:2] == (2, 2)
    assert pallet.Event_.event_definition.name == "Event"
    assert list(pallet._errors)[:2] == ["Balances.PalletError", "Balances.Locked"]
    assert vars(module.Balances)["Value_"]._prefix == storage_key("Balances", "Value")
    assert vars(module.Map_)["spec_version"]._key == storage_key("Map", "spec_version")
    assert module.Chain.PALLETS[0] is module.Map_
    with module.Chain("http://127.0.0.1:1") as chain:
        assert isinstance(chain.map, module.Map_)
    with pytest.raises(ClientError):
        generate(changed((*BALANCES, "events", 0, "name"), "U128"))
    with pytest.raises(ClientError):
        generate(changed((*BALANCES, "events", 0, "name"), "Event_"))


def test_a_call_that_nobody_signs_is_only_a_value() -> None:
    """It can be an argument of another call; the proposer's own calls are left out."""
    metadata = changed((*BALANCES, "calls", 0, "origin"), "root")
    metadata["pallets"][BALANCES[1]]["calls"][1]["origin"] = "inherent"
    module = load(generate(metadata))
    transfer = pallet_of(module, "Balances").transfer(bytes(32), 5)
    assert not hasattr(transfer, "sign")
    assert not hasattr(module.Balances, "transfer_keep_alive")
    assert repr(transfer).startswith("Balances.transfer(receiver=b'")
    assert len({transfer, pallet_of(module, "Balances").transfer(bytes(32), 5)}) == 1
    batch = pallet_of(module, "Utility").batch((transfer,))
    assert batch.to_plain()[2] == ((transfer.to_plain(),),)
