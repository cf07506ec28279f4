"""Where an adapter is from: what the chain says of the model, its training and its data."""

from __future__ import annotations

from dataclasses import dataclass

from node.client import NodeClient
from node.errors import NotFound
from runtime.types import PPB
from runtime.wire.records import Job, Model, RowSource, TrainingOutcome
from runtime.wire.training_parameters import TrainingParameters


@dataclass(frozen=True, slots=True)
class DataSource:
    """A Datanet version that the adapter was trained on."""

    datanet: int
    version: int
    name: str
    row_count: int
    rows_root: bytes

    def __str__(self) -> str:
        return f"Datanet {self.datanet} ({self.name}), version {self.version}"


@dataclass(frozen=True, slots=True)
class Lineage:
    """What a model card says, all of it from the chain."""

    model: bytes
    record: Model
    base_name: str
    sources: tuple[DataSource, ...]
    parameters: TrainingParameters | None
    outcome: TrainingOutcome | None
    genesis_hash: bytes


def lineage_of(client: NodeClient, model: bytes) -> Lineage:
    """The lineage of a registered adapter; raises `NotFound` for another hash."""
    record: Model | None = client.read("Models", "models", model)
    if record is None:
        message = f"The chain knows no model {model.hex()}."
        raise NotFound(message, remedy="`openledger query Models models` lists those that it does.")
    job: Job | None = client.read("Compute", "jobs", record.job)
    named = (RowSource(record.datanet, record.version),)
    base = client.read("Models", "base_models", record.base_model)
    return Lineage(
        model=model,
        record=record,
        base_name="" if base is None else base.name,
        sources=tuple(_source(client, each) for each in (job.order.sources if job else named)),
        parameters=None if job is None else job.order.parameters,
        outcome=None if job is None else job.result,
        genesis_hash=client.genesis_hash,
    )


def _source(client: NodeClient, source: RowSource) -> DataSource:
    datanet = client.read("Datanets", "datanets", source.datanet)
    version = client.read("Datanets", "versions", source.datanet, source.version)
    return DataSource(
        source.datanet, source.version, datanet.name, version.row_count, version.rows_root
    )


def model_card(lineage: Lineage, *, merged: bool) -> str:
    """The lineage as a README.md that hubs of models understand."""
    record = lineage.record
    head = [
        "---",
        "library_name: transformers" if merged else "library_name: peft",
        "pipeline_tag: text-generation",
        f"tags: [openledger, lora, 'openledger:{lineage.model.hex()}']",
        "---",
        f"# {'Merged model' if merged else 'LoRA adapter'} {lineage.model.hex()[:16]}",
        "",
        "All of it is on the chain: `openledger query Models models MODEL`.",
        "",
        "| what | value |",
        "|---|---|",
        f"| model | `{lineage.model.hex()}` |",
        f"| chain (genesis hash) | `{lineage.genesis_hash.hex()}` |",
        f"| owner | `{record.owner.hex()}` |",
        f"| base model | {lineage.base_name} `{record.base_model.hex()}` |",
        f"| training job | {record.job} |",
    ]
    for source in lineage.sources:
        rows = f"{source.row_count} rows, root `{source.rows_root.hex()}`"
        head.append(f"| trained on | {source}: {rows} |")
    return "\n".join([*head, *_training_lines(lineage), ""])


def _training_lines(lineage: Lineage) -> list[str]:
    parameters, outcome = lineage.parameters, lineage.outcome
    lines = []
    if parameters is not None:
        lines.append(f"| rank, alpha | {parameters.rank}, {parameters.alpha} |")
        lines.append(f"| changed layers | {', '.join(parameters.target_modules)} |")
    if outcome is not None:
        before, after = outcome.validation_loss_before_ppb, outcome.validation_loss_after_ppb
        lines.append(f"| transcript of the training | `{outcome.transcript_root.hex()}` |")
        lines.append(f"| validation loss | {before / PPB:.3f} before, {after / PPB:.3f} after |")
    return lines
