"""Answers of the lane `verifiable`, kept as the API gave them: read one and check it offline.

A file is the JSON body of a whole answer.  What is checked needs no node and no server: the model's
files have the hashes that the evidence names, one prefill chooses every token, the text is that of
the tokens, and where there is a receipt its server has signed for all of it.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ml.exact.adapter import Adapter, load_adapter
from ml.exact.inference import ExactAnswer, first_difference
from ml.exact.model import ExactModel
from ml.exact.sampling import Sampler
from ml.manifest import manifest_of
from ml.serving.requests import SEED_BYTES
from ml.training.encode import load_tokenizer
from node.api.evidence import Evidence, belongs, is_signed
from node.errors import NodeError
from runtime.codec import codec_of
from runtime.errors import DecodeError
from runtime.hashing import hash_text
from runtime.types import PPB
from runtime.wire.receipts import InferenceReceipt

FILE_BYTES_MAX = 4 * 2**20
REMEDY = "Keep the whole body of an answer that was asked for in the lane 'verifiable'."


class AnswerFileError(NodeError):
    """The file cannot be read, or holds no answer of the lane `verifiable`."""


class AnswerWrong(NodeError):
    """The answer is not what the model says."""


@dataclass(frozen=True, slots=True)
class KeptAnswer:
    """What a file holds."""

    text: str
    evidence: Evidence
    receipt: InferenceReceipt | None
    signature: bytes
    """Of the server, where there is a receipt."""


def read_answer(path: Path) -> KeptAnswer:
    """Read the JSON body of an answer; raises `AnswerFileError`."""
    try:
        with path.open("rb") as file:
            body: dict[str, Any] = json.loads(file.read(FILE_BYTES_MAX))
        choice, evidence = body["choices"][0], body["evidence"]
        text = choice["message"]["content"] if "message" in choice else choice["text"]
        receipt = None
        if "receipt" in body:
            receipt = codec_of(InferenceReceipt).decode(bytes.fromhex(body["receipt"]["hex"]))
        signature = bytes.fromhex(evidence.get("signature", ""))
        return KeptAnswer(str(text), Evidence.from_view(evidence), receipt, signature)
    except OSError as error:
        message = f"{path} cannot be read ({error.strerror})."
        raise AnswerFileError(message, remedy=REMEDY) from error
    except (
        ValueError,
        KeyError,
        IndexError,
        TypeError,
        AttributeError,
        RecursionError,
        DecodeError,
    ) as error:
        message = f"{path} holds no answer of the lane 'verifiable': {error!r}."
        raise AnswerFileError(message, remedy=REMEDY) from error


def check_answer(answer: KeptAnswer, base_model: Path, adapter: Path | None) -> Iterator[str]:
    """Check an answer link by link, a sentence for each that holds.

    Raises `AnswerWrong` for the first that does not, and `ModelUnusable`.
    """
    yield from _check_receipt(answer)
    evidence = answer.evidence
    _check_files(base_model, evidence.base_model, "base model")
    yield f"The base model is {evidence.base_model.hex()}."
    model = ExactModel.load(base_model)
    loaded: Adapter | None = None
    if evidence.adapter is not None:
        if adapter is None:
            raise AnswerWrong(
                f"The answer is the adapter's {evidence.adapter.hex()}.",
                remedy="Give its folder with --adapter.",
            )
        _check_files(adapter, evidence.adapter, "adapter")
        loaded = load_adapter(adapter, model.shape)
        yield f"The adapter is {evidence.adapter.hex()}."
    _check_tokens(evidence, model, loaded)
    yield f"The model chooses all {len(evidence.tokens)} tokens, and its states are the server's."
    _check_text(answer, base_model)
    yield "The text is that of the tokens."


def _check_receipt(answer: KeptAnswer) -> Iterator[str]:
    receipt = answer.receipt
    if receipt is None:
        yield "There is no receipt: nobody has signed for the answer."
        return
    if not is_signed(receipt, answer.evidence, answer.signature):
        raise _wrong("The server has not signed this receipt with this evidence.")
    if not belongs(receipt, answer.evidence):
        raise _wrong("Receipt and evidence are of two different answers.")
    if receipt.output_hash != hash_text(answer.text.encode()):
        raise _wrong("The receipt is for another text.")
    yield f"The server {receipt.server.hex()} has signed for it."


def _check_files(folder: Path, wanted: bytes, what: str) -> None:
    found = manifest_of(folder).hash()
    if found != wanted:
        message = f"The {what} in {folder} is {found.hex()}; the answer's is {wanted.hex()}."
        raise AnswerWrong(message, remedy="Give the folder of the model that answered.")


def _check_tokens(evidence: Evidence, model: ExactModel, adapter: Adapter | None) -> None:
    sampler = Sampler(evidence.temperature_ppb / PPB, evidence.seed.to_bytes(SEED_BYTES, "big"))
    claimed = ExactAnswer(evidence.tokens, evidence.states)
    place = first_difference(model, adapter, evidence.prompt, sampler, claimed)
    if place is not None:
        raise _wrong(f"The model does not say token {place + 1} of {len(evidence.tokens)}.")


def _check_text(answer: KeptAnswer, base_model: Path) -> None:
    """The text may end earlier: in front of a stop string."""
    tokenizer = load_tokenizer(base_model)
    tokens = list(answer.evidence.tokens)
    said: str = tokenizer.decode(
        tokens, skip_special_tokens=True, clean_up_tokenization_spaces=False
    )
    if not said.startswith(answer.text):
        raise _wrong("The text is not that of the tokens.")


def _wrong(message: str) -> AnswerWrong:
    return AnswerWrong(message, remedy="Do not trust this answer; keep the file as evidence.")
