"""What checks an answer of the lane `verifiable`, beside the model's own files.

    evidence     base model, adapter, tokens of prompt and answer, temperature, seed, state hashes
    hash         of its canonical encoding
    signature    by the server, over the receipt's hash and the evidence's, where there is a receipt

A receipt has no room for tokens; signed together, both bind the server: whoever holds the model
computes one prefill, and a token that the model did not choose is the server's lie (ADR 42).
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Annotated, Any

from ml.exact.inference import ExactAnswer
from ml.serving.requests import GenerationRequest
from runtime.codec import codec_of
from runtime.hashing import hash_receipt, hasher
from runtime.keys import Keypair, verify
from runtime.types import U32, U64, Hash, Max
from runtime.wire.receipts import InferenceReceipt

TOKENS_MAX = 4_096
"""Of a prompt, and of an answer: the exact operators' longest context."""
Tokens = Annotated[tuple[U32, ...], Max(TOKENS_MAX)]

_hash_evidence = hasher(b"answer evidence")
_hash_signed = hasher(b"signed evidence")


@dataclass(frozen=True, slots=True)
class Evidence:
    """One answer, as one prefill checks it."""

    base_model: Hash
    adapter: Hash | None
    prompt: Tokens
    tokens: Tokens
    """The one that ended the answer included."""
    states: Annotated[tuple[Hash, ...], Max(TOKENS_MAX)]
    temperature_ppb: U32
    seed: U64

    @classmethod
    def of(cls, generation: GenerationRequest, base_model: bytes, answer: ExactAnswer) -> Evidence:
        """The evidence for an answer of a single adapter, or none."""
        adapter = generation.adapter if isinstance(generation.adapter, bytes) else None
        return cls(
            base_model,
            adapter,
            generation.prompt_tokens,
            answer.tokens,
            answer.states,
            generation.temperature_ppb,
            generation.seed,
        )

    def hash(self) -> bytes:
        """What the server signs for."""
        return _hash_evidence(codec_of(Evidence).encode(self))

    def view(self) -> dict[str, Any]:
        """The evidence in JSON, as an answer states it."""
        return {
            "hash": self.hash().hex(),
            "base_model": self.base_model.hex(),
            "adapter": None if self.adapter is None else self.adapter.hex(),
            "prompt_tokens": list(self.prompt),
            "tokens": list(self.tokens),
            "states": [state.hex() for state in self.states],
            "temperature_ppb": self.temperature_ppb,
            # A string: JSON numbers are exact up to 2**53 only.
            "seed": str(self.seed),
        }

    @classmethod
    def from_view(cls, view: dict[str, Any]) -> Evidence:
        """Read the JSON again; raises `KeyError`, `TypeError` or `ValueError` for another thing."""
        adapter = view["adapter"]
        evidence = cls(
            bytes.fromhex(view["base_model"]),
            None if adapter is None else bytes.fromhex(adapter),
            tuple(view["prompt_tokens"]),
            tuple(view["tokens"]),
            tuple(bytes.fromhex(state) for state in view["states"]),
            view["temperature_ppb"],
            int(view["seed"]),
        )
        # Decoding checks every type and limit.
        return codec_of(Evidence).decode(codec_of(Evidence).encode(evidence))


def sign_evidence(keypair: Keypair, receipt: InferenceReceipt, evidence: Evidence) -> bytes:
    """The server's signature that the evidence belongs to the receipt's answer."""
    return keypair.sign(_signed(receipt, evidence))


def is_signed(receipt: InferenceReceipt, evidence: Evidence, signature: bytes) -> bool:
    """Whether the receipt's server has signed both."""
    own = verify(receipt.server, receipt.signing_payload(), receipt.signature)
    return own and verify(receipt.server, _signed(receipt, evidence), signature)


def belongs(receipt: InferenceReceipt, evidence: Evidence) -> bool:
    """Whether both are of one answer: model, prompt's size, temperature, seed and lane."""
    said = replace(
        receipt,
        base_model=evidence.base_model,
        model=evidence.adapter or bytes(32),
        prompt_tokens=len(evidence.prompt),
        temperature_ppb=evidence.temperature_ppb,
        seed=evidence.seed,
        lane="verifiable",
    )
    return said == receipt


def _signed(receipt: InferenceReceipt, evidence: Evidence) -> bytes:
    return _hash_signed(hash_receipt(receipt.encode()) + evidence.hash())
