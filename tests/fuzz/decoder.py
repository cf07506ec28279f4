"""The decoder: every wire type against mutated encodings, and both decoders against each other.

Found would be: an error that is not a `DecodeError`, an accepted input that is not the encoding of
its value, an input that one of the two decoders accepts and the other does not, and one that both
accept as different values.
"""

from __future__ import annotations

from random import Random
from typing import Any

from runtime import cbor
from runtime.codec import Codec
from runtime.errors import DecodeError
from runtime.testing import Pool, SeededDraws, Values
from tests.fuzz import reference_cbor
from tests.fuzz.campaign import Finding, Step, main
from tests.fuzz.mutation import generate, mutate
from tests.runtime.conformance import wire_codecs

SEEDS_PER_TYPE = 8
SEED_BYTES_MAX = 2_048
GENERATED = 0.25
"""The part of the inputs that is made from nothing; the rest are changed encodings."""


def make() -> Step:
    """Return the fuzzer's step; making it takes the seeds from every wire type."""
    codecs, calls = wire_codecs()
    values = Values(SeededDraws(b"fuzz decoder"), Pool(), calls)
    targets: list[tuple[str, Codec[Any], list[bytes]]] = []
    everything: list[bytes] = []
    for name, codec in codecs.items():
        if name.startswith("error "):  # errors are told, never decoded
            continue
        encodings = [codec.encode(values.of(codec)) for _ in range(SEEDS_PER_TYPE)]
        seeds = [each for each in encodings if len(each) <= SEED_BYTES_MAX]
        everything += seeds
        targets += [(name, codec, seeds)] if seeds else []

    def step(random: Random) -> bool:
        name, codec, seeds = targets[int(random.random() * len(targets))]
        choice = random.random()
        if choice < GENERATED:
            data = generate(random)
        else:
            data = mutate(random, seeds if choice < 0.9 else everything)
        plain = _compare(data)
        return _check(name, codec, data, plain)

    return step


_REFUSED = object()


def _compare(data: bytes) -> Any:
    """The plain data that both decoders agree on, or `_REFUSED`."""
    try:
        ours: Any = cbor.decode(data)
    except DecodeError:
        ours = _REFUSED
    try:
        theirs: Any = reference_cbor.decode(data)
    except reference_cbor.NotCanonical:
        theirs = _REFUSED
    if (ours is _REFUSED) != (theirs is _REFUSED):
        which = "the reference" if ours is _REFUSED else "runtime.cbor"
        raise Finding(f"only {which} accepts the input", data)
    if ours is not _REFUSED and (ours != theirs or repr(ours) != repr(theirs)):
        raise Finding("the decoders accept different values", data)
    return ours


def _check(name: str, codec: Codec[Any], data: bytes, plain: Any) -> bool:
    """Whether the typed codec accepts the input, which must then be the one encoding of a value."""
    try:
        value = codec.decode(data)
    except DecodeError:
        return False
    except Exception as error:
        raise Finding(f"{name} raises {type(error).__name__}: {error}", data) from error
    if plain is _REFUSED:
        raise Finding(f"{name} accepts what is not canonical", data)
    if codec.encode(value) != data:
        raise Finding(f"{name} encodes the value differently", data)
    return True


if __name__ == "__main__":
    main("decoder", make)
