"""Tiny base models and adapters in PEFT's layout, and what PEFT itself answers with them."""

from __future__ import annotations

from pathlib import Path

import torch
from peft import LoraConfig, PeftModel, get_peft_model
from transformers import AutoModelForCausalLM

from ml.manifest import manifest_of
from ml.serving.engine import Engine
from ml.serving.requests import GenerationRequest
from ml.serving.ticket import Ticket
from runtime.wire.training_parameters import TARGET_MODULES
from tests.ml.tiny_models import SPECIAL, save_tiny_base

PROMPT = (1, 3, 40, 50, 60, 4)


def save_base(directory: Path, seed: int = 0) -> Path:
    """A base model of 64 positions whose logits are far apart."""
    return save_tiny_base(directory, SPECIAL, seed=seed, positions=64, spread=0.3)


def save_adapter(
    base: Path,
    adapters: Path,
    seed: int,
    rank: int = 8,
    targets: tuple[str, ...] = TARGET_MODULES,
) -> bytes:
    """Write a random adapter into `adapters/<hash in hex>/` and return the hash."""
    torch.manual_seed(seed)
    model = get_peft_model(
        AutoModelForCausalLM.from_pretrained(base),
        LoraConfig(
            r=rank, lora_alpha=2 * rank, target_modules=list(targets), task_type="CAUSAL_LM"
        ),
    )
    for name, parameter in model.named_parameters():
        if "lora_" in name:
            parameter.data.normal_(std=0.2)
    staging = adapters / f"staging-{seed}-{rank}"
    model.save_pretrained(staging)
    (staging / "README.md").unlink(missing_ok=True)
    return rename_to_hash(staging)


def rename_to_hash(staging: Path) -> bytes:
    """Give a folder the name under which the engine looks for it."""
    digest = manifest_of(staging).hash()
    staging.rename(staging.parent / digest.hex())
    return digest


def peft_tokens(
    base: Path,
    adapters: Path,
    digest: bytes | None,
    tokens_max: int,
    prompt: tuple[int, ...] = PROMPT,
) -> list[int]:
    """The greedy answer of PEFT and `generate`, without what ends it."""
    model = AutoModelForCausalLM.from_pretrained(base, dtype=torch.float32)
    if digest is not None:
        model = PeftModel.from_pretrained(model, adapters / digest.hex())
    output = model.eval().generate(
        input_ids=torch.tensor([prompt]),
        attention_mask=torch.ones(1, len(prompt), dtype=torch.long),
        max_new_tokens=tokens_max,
        do_sample=False,
    )
    answer: list[int] = output[0, len(prompt) :].tolist()
    return answer[: answer.index(2)] if 2 in answer else answer


def tokens_of(ticket: Ticket) -> list[int]:
    """The whole answer of a ticket whose engine has done its work."""
    tokens = []
    while True:
        step = ticket.next_step()
        if step.token is not None:
            tokens.append(step.token)
        if step.finish is not None:
            return tokens


def answer_all(engine: Engine, requests: list[GenerationRequest]) -> list[list[int]]:
    """Submit all at once, compute, and return the answers."""
    tickets = [engine.submit(request) for request in requests]
    while engine.step():
        pass
    return [tokens_of(ticket) for ticket in tickets]
