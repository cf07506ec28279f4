"""What decodes by metadata alone, against the runtime's own codecs."""

from __future__ import annotations

import copy
import json
from collections.abc import Iterator
from typing import Any

import pytest

from genesis.compose import compose_runtime
from node.errors import ClientError
from node.history.codecs import codec_of_notation
from node.history.decoder import SpecDecoder
from node.history.versions import DECODERS_MAX, SpecDecoders
from node.json_values import to_json
from pallets.balances.pallet import Balances
from pallets.utility.pallet import Utility
from runtime.calls import CallDefinition, RuntimeCall, UnresolvedCall
from runtime.codec import Codec
from runtime.errors import DecodeError, DefinitionError, InvalidTransaction
from runtime.events import EventRecord
from runtime.executive import Runtime
from runtime.extrinsic import (
    CheckedExtrinsic,
    Era,
    encode_inherent,
    sign_extrinsic,
)
from runtime.keys import Keypair
from runtime.storage import Map
from runtime.testing import Pool, SeededDraws, Values
from runtime.types import Marker
from tests.runtime.token_pallet import compose as compose_tokens

SAMPLES = 16
GENESIS = bytes(range(32))
ALICE = Keypair.from_seed(bytes([1]) * 32)
RUNTIME = compose_runtime()
RUNTIMES = {"openledger": RUNTIME, "token": compose_tokens()[0]}


def decoder_of(runtime: Runtime) -> SpecDecoder:
    """The decoder of metadata that were stored and read again."""
    return SpecDecoder(json.loads(json.dumps(runtime.metadata())))


DECODER = decoder_of(RUNTIME)


def calls_of(runtime: Runtime) -> list[CallDefinition]:
    """Every call of a runtime."""
    return [call for pallet in runtime.pallets.values() for call in pallet.definition.calls]


def samples(runtime: Runtime, name: str, codec: Codec[Any]) -> Iterator[Any]:
    """Values of a codec, always the same ones."""
    values = Values(SeededDraws(f"history {name}".encode()), Pool(), calls_of(runtime))
    for _ in range(SAMPLES):
        yield values.of(codec)


@pytest.fixture(params=RUNTIMES.values(), ids=list(RUNTIMES))
def runtime(request: pytest.FixtureRequest) -> Runtime:
    """Each of our runtimes."""
    chosen: Runtime = request.param
    return chosen


def test_every_call_decodes_as_the_runtime_decodes_it(runtime: Runtime) -> None:
    """The same bytes give the same values, and again the same bytes; calls in calls included."""
    decoder = decoder_of(runtime)
    for definition in calls_of(runtime):
        for value in samples(runtime, str(definition), definition.arguments):
            encoded = runtime.call_codec.encode(value)
            native = runtime.call_codec.decode(encoded)
            decoded = decoder.calls.decode(encoded)
            assert decoder.to_json(decoded) == to_json(native, runtime.call_codec)
            assert decoder.calls.encode(decoded) == encoded


def test_every_event_decodes_as_the_runtime_decodes_it(runtime: Runtime) -> None:
    """Names, fields and extrinsic."""
    decoder = decoder_of(runtime)
    for pallet, composed in runtime.pallets.items():
        for event in composed.definition.events:
            for value in samples(runtime, f"{pallet}.{event.name}", event.codec):
                fields = {name: getattr(value, name) for name in event.codec.items}
                encoded = runtime.encode_events([EventRecord(3, pallet, event.name, fields)])
                (native,) = runtime.decode_events(encoded)
                (decoded,) = decoder.decode_events(encoded)
                assert decoder.to_json(decoded) == to_json(native, runtime.call_codec)


def test_every_stored_value_decodes_as_the_runtime_decodes_it(runtime: Runtime) -> None:
    """Values, keys and where they are; every error's fields have a codec, too."""
    decoder = decoder_of(runtime)
    for pallet, composed in runtime.pallets.items():
        for name, native in composed.definition.storage.items():
            item = decoder.item(pallet, name)
            assert (str(item), item.prefix) == (str(native.place), native.prefix)
            for value in samples(runtime, str(item), native.codec):
                encoded = native.codec.encode(value)
                assert decoder.to_json(item.codec.decode(encoded)) == to_json(
                    native.codec.decode(encoded), runtime.call_codec
                )
            if isinstance(native, Map):
                for key in samples(runtime, f"key {item}", native.key_codec):
                    stored = native.storage_key(key)
                    plain = native.key_codec.to_plain(key)
                    assert item.storage_key(*_parts(item.key_codecs, plain)) == stored
                    assert to_json(item.key_of(stored)) == to_json(key)
            else:
                assert item.storage_key() == native.prefix
                assert item.key_of(native.prefix) is None


def _parts(codecs: tuple[Codec[Any], ...], plain: Any) -> tuple[Any, ...]:
    """A key as the values of the decoder's classes."""
    parts = plain if len(codecs) > 1 else (plain,)
    return tuple(codec.from_plain(part) for codec, part in zip(codecs, parts, strict=True))


def test_a_codec_describes_the_notation_that_it_came_from() -> None:
    """For every type of the runtime: nothing of a type is lost."""
    for pallet in RUNTIME.metadata()["pallets"]:
        fields = [
            field
            for kind, part in (("calls", "arguments"), ("events", "fields"), ("errors", "fields"))
            for each in pallet[kind]
            for field in each[part]
        ]
        notations = [each["type"] for each in [*fields, *pallet["storage"], *pallet["constants"]]]
        notations += [each["key"] for each in pallet["storage"] if "key" in each]
        for notation in notations:
            assert codec_of_notation(notation).describe() == notation


def test_extrinsics_and_inherents_decode_without_a_runtime() -> None:
    """Signer, nonce, tip and call; the bounds of the types hold as they did."""
    call = Utility.batch.Call((Balances.transfer.Call(bytes(32), 5),))
    options: dict[str, Any] = {"genesis_hash": GENESIS, "spec_version": 1}
    raw = sign_extrinsic(call, ALICE, nonce=7, tip=2, era=Era(9, 64), **options)
    native = RUNTIME.check(raw, GENESIS)
    decoded = DECODER.decode_extrinsic(raw)
    assert isinstance(decoded, CheckedExtrinsic)
    assert decoded[:7] == native[:7]
    assert str(decoded.definition) == "Utility.batch"
    assert DECODER.to_json(decoded.arguments) == [
        [{"call": "Balances.transfer", "arguments": {"receiver": "00" * 32, "amount": 5}}]
    ]
    with pytest.raises(DecodeError):
        DECODER.decode_extrinsic(raw[:-1])
    with pytest.raises(InvalidTransaction, match="spec version 2"):
        DECODER.decode_extrinsic(
            sign_extrinsic(call, ALICE, genesis_hash=GENESIS, spec_version=2, nonce=7)
        )
    with pytest.raises(InvalidTransaction, match="not a call that a block's proposer makes"):
        DECODER.decode_extrinsic(encode_inherent(call, 1))


def test_a_call_of_metadata_has_no_code() -> None:
    """Whoever tries to make it is told so; its origin and fixed weight are known."""
    for mine, native in zip(calls_of_decoder(), calls_of(RUNTIME), strict=True):
        assert (mine.origin, mine.operational) == (native.origin, native.operational)
        assert mine.holds_calls == native.holds_calls
        with pytest.raises(DefinitionError, match="not what it does"):
            mine.function(None, None)


def calls_of_decoder() -> list[CallDefinition]:
    """The calls of the decoder, in the order of the metadata."""
    return list(DECODER.calls._definitions.values())


def test_a_held_call_that_means_nothing_is_shown_as_it_is() -> None:
    """In an old value, or where no calls are known: the indices and plain arguments."""
    garbage = UnresolvedCall((250, 1, (b"\x01",)))
    known = UnresolvedCall(Balances.transfer.Call(bytes(32), 5).to_plain())
    assert DECODER.to_json(garbage) == [250, 1, ["01"]]
    assert to_json(known)[2] == ["00" * 32, 5]
    assert DECODER.to_json({"held": known})["held"]["call"] == "Balances.transfer"
    assert to_json(Balances.transfer.Call(bytes(32), 5))["call"] == "Balances.transfer"
    assert issubclass(UnresolvedCall, RuntimeCall)


def test_a_track_is_an_origin() -> None:
    """As the metadata name it."""
    metadata = copy.deepcopy(RUNTIME.metadata())
    metadata["pallets"][0]["calls"][0]["origin"] = "track treasury"
    call = next(iter(SpecDecoder(metadata).calls._definitions.values()))
    assert call.origin.value == "track treasury"
    assert not isinstance(call.origin, Marker)


@pytest.mark.parametrize(
    "change",
    [
        lambda metadata: metadata.pop("pallets"),
        lambda metadata: metadata.update(spec_version="x"),
        lambda metadata: metadata["pallets"][0]["calls"][0].update(origin="nobody"),
        lambda metadata: metadata["pallets"][0]["calls"][0].update(weight={"reeds": 1}),
        lambda metadata: metadata["pallets"][0]["storage"][0].update(type="u12"),
        lambda metadata: metadata["pallets"][0]["storage"][0].update(prefix="z"),
        lambda metadata: metadata["pallets"][0]["events"][0].update(name="__import__"),
    ],
)
def test_other_metadata_are_refused(change: Any) -> None:
    """They may come from a node: whatever is wrong is one typed error."""
    metadata = json.loads(json.dumps(RUNTIME.metadata()))
    change(metadata)
    with pytest.raises(ClientError, match="metadata"):
        SpecDecoder(metadata)


def test_unknown_items_are_named() -> None:
    """With those that there are."""
    with pytest.raises(ClientError, match=r"no storage item Balances\.nothing") as caught:
        DECODER.item("Balances", "nothing")
    assert "accounts" in caught.value.remedy
    with pytest.raises(ClientError) as caught:
        DECODER.item("Nothing", "nothing")
    assert "Balances" in caught.value.remedy
    assert DECODER.names_by_prefix()[Balances.accounts.prefix] == "Balances.accounts"


def test_decoders_are_made_once_and_a_few_are_kept() -> None:
    """The metadata of a version are loaded when its first block is decoded."""
    loaded = []

    def load(version: int) -> dict[str, Any]:
        loaded.append(version)
        return RUNTIME.metadata() | {"spec_version": version}

    decoders = SpecDecoders()
    for version in [*range(DECODERS_MAX), 0, DECODERS_MAX, 0]:
        decoder = decoders.of(version, lambda version=version: load(version))  # type: ignore[misc] # bound now
        assert decoder.spec_version == version
    assert loaded == [*range(DECODERS_MAX + 1), 0]
