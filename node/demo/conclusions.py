"""What the story amounts to: who earned what, where the fees went, which promises held."""

from __future__ import annotations

import statistics
import time
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from math import isqrt
from pathlib import Path

import numpy as np

from node.client import NodeClient
from node.demo.corpus import CARELESS, COPIER, Corpus, Role
from node.demo.datanet import Published
from node.demo.facts import SHOWN, Fact, careless_rank, first_contributor, top_sources
from node.demo.influence import Influence
from node.demo.model import Answered
from node.demo.people import People
from node.demo.processes import Processes
from node.demo.report import AnswerLine, Check, ContributorLine, DemoReport, Facts, Flow, open_text
from node.demo.settings import DemoSettings
from node.demo.settlement import Settled, payout_file
from node.demo.stages import Stages
from node.payout_receipts import Epoch
from pallets.system.pallet import System
from runtime.types import PPB
from runtime.wire.records import Job, ScoreLeaf
from runtime.wire.rows import Row

COPIER_SHARE_MAX = 0.25
"""Of what the copied contributor earns."""
FINALITY_SAMPLES = 5


@dataclass(frozen=True, slots=True)
class Story:
    """Everything that happened, as the chapters returned it."""

    corpus: Corpus
    people: People
    published: Published
    job: Job
    facts: tuple[Fact, ...]
    answers: tuple[Answered, ...]
    batches: tuple[Settled, ...]
    epochs: tuple[Epoch, ...]
    earned: dict[bytes, int]
    receipts: list[Path]
    verified: int

    def earned_by(self, name: str) -> int:
        """What a contributor was paid."""
        return self.earned.get(self.people.contributors[name].account, 0)


def conclude(
    story: Story,
    client: NodeClient,
    processes: Processes,
    stages: Stages,
    settings: DemoSettings,
    agreed: Check,
) -> DemoReport:
    """The report with its checks; reads the last facts from the chain."""
    influence = Influence.load(settings.directory / "work", story.epochs)
    fees = sum(answer.fee for answer in story.answers)
    flows = flows_of(story, client)
    facts = facts_of(story, influence)
    before, after = losses(story.job)
    result = story.job.result
    return DemoReport(
        title=story.corpus.title,
        contributors=contributor_lines(story, influence),
        answers=tuple(answer_lines(story, influence)),
        answer_count=len(story.answers),
        fees=fees,
        flows=flows,
        facts=facts,
        loss_before=before,
        loss_after=after,
        transcript_root="" if result is None else result.transcript_root.hex(),
        receipts=len(story.receipts),
        receipts_verified=story.verified,
        height=client.height(),
        finalised_height=client.head().height,
        finality_ms=finality_ms(client, story.people),
        stage_seconds=dict(stages.seconds),
        checks=(*checks_of(story, flows, fees, processes), agreed),
        next_commands=next_commands(story, settings, client),
    )


def finality_ms(client: NodeClient, people: People) -> float:
    """Median milliseconds from a remark's submission to its finalised block."""
    samples = []
    for number in range(FINALITY_SAMPLES):
        started = time.monotonic()
        client.submit(System.remark.Call(data=str(number).encode()), people.user)
        samples.append(1_000 * (time.monotonic() - started))
    return statistics.median(samples)


def losses(job: Job) -> tuple[float, float]:
    """Held-out loss before and after training, in nats a token."""
    if job.result is None:
        return 0.0, 0.0
    result = job.result
    return result.validation_loss_before_ppb / PPB, result.validation_loss_after_ppb / PPB


def influence_by_name(story: Story) -> dict[str, int]:
    """Every contributor's influence on everything the model said, as it is paid.

    A row that harmed, or that may have done nothing, counts 0.
    """
    totals: Counter[str] = Counter({each.name: 0 for each in story.corpus.contributions})
    for epoch in story.epochs:
        for leaf in epoch.scores:
            totals[story.people.name_of(leaf.owner)] += leaf.credit
    return dict(totals)


def preview_by_name(story: Story, influence: Influence) -> dict[str, float]:
    """Every contributor's part of the positive influence by TracIn, each answer by its fee."""
    rows = sum(answer.fee * influence.of(answer.receipt) for answer in story.answers)
    totals: dict[str, float] = {}
    for owner, value in zip(owners_of(story), np.maximum(rows, 0.0), strict=True):
        totals[owner] = totals.get(owner, 0.0) + float(value)
    everything = sum(totals.values()) or 1.0
    return {owner: total / everything for owner, total in totals.items()}


def errors_by_owner(story: Story) -> dict[bytes, int]:
    """One standard error of what each owner was paid, over all epochs."""
    variances: Counter[bytes] = Counter()
    for epoch in story.epochs:
        for leaf in epoch.payouts:
            variances[leaf.owner] += leaf.error**2
    return {owner: isqrt(variance) for owner, variance in variances.items()}


def contributor_lines(story: Story, previews: Influence) -> tuple[ContributorLine, ...]:
    """One line a contributor, in the order in which they committed."""
    influence, by_preview = influence_by_name(story), preview_by_name(story, previews)
    errors = errors_by_owner(story)
    accounts = {name: each.account for name, each in story.people.contributors.items()}
    everything = sum(influence.values()) or 1
    return tuple(
        ContributorLine(
            name=each.name,
            role=each.role.value,
            rows=len(each.rows),
            accepted=story.published.counts[each.name].accepted,
            duplicate=story.published.counts[each.name].duplicate,
            influence_share=influence[each.name] / everything,
            preview_share=by_preview.get(each.name, 0.0),
            earned=story.earned_by(each.name),
            error=errors.get(accounts[each.name], 0),
        )
        for each in story.corpus.contributions
    )


def trained_leaves(story: Story) -> tuple[ScoreLeaf, ...]:
    """One leaf a trained row, in the order of the influence files; the same in every epoch."""
    return story.epochs[0].scores


def owners_of(story: Story) -> list[str]:
    """The contributor of every trained row."""
    return [story.people.name_of(leaf.owner) for leaf in trained_leaves(story)]


def answer_lines(story: Story, influence: Influence) -> list[AnswerLine]:
    """The first few answers with the rows that moved them."""
    rows = rows_by_hash(story.corpus)
    owners = owners_of(story)
    return [
        AnswerLine(
            answer.question,
            answer.answer,
            answer.fee,
            top_sources(influence.of(answer.receipt), trained_leaves(story), owners, rows),
        )
        for answer in story.answers[:SHOWN]
    ]


def rows_by_hash(corpus: Corpus) -> dict[bytes, Row]:
    """Every contributed row under its hash."""
    return {row.hash(): row for each in corpus.contributions for row in each.rows}


def facts_of(story: Story, influence: Influence) -> Facts:
    """How many facts are attributed first to who brought them, and where the careless one ranks."""
    owners = owners_of(story)
    first = sum(
        first_contributor(influence.of(answer.receipt), owners) == fact.contributor
        for fact, answer in zip(story.facts, story.answers, strict=True)
    )
    totals = influence_by_name(story)
    return Facts(len(story.facts), first, careless_rank(totals, CARELESS), len(totals))


def flows_of(story: Story, client: NodeClient) -> tuple[Flow, ...]:
    """Where the fees went, from the chain's own events and claims."""
    parts: Counter[str] = Counter()
    for height in sorted({settled.batch.settled_at for settled in story.batches}):
        for event in client.events(height):
            if (event.pallet, event.name) == ("Inference", "FeesSplit"):
                parts["platform (treasury)"] += event.fields["platform"]
                parts["model owner"] += event.fields["owner"]
                parts["stakers"] += event.fields["stakers"]
                parts["serving worker"] += event.fields["worker"]
    for epoch in story.epochs:
        placed = client.read("Attribution", "orders", epoch.model, epoch.epoch)
        parts["the pool's part of its division"] += placed.of_pool
    contributors = {keypair.account for keypair in story.people.contributors.values()}
    for owner, amount in story.earned.items():
        parts["contributors" if owner in contributors else "treasury (earned by nobody)"] += amount
    return tuple(Flow(name, amount) for name, amount in parts.items())


def checks_of(
    story: Story, flows: Sequence[Flow], fees: int, processes: Processes
) -> tuple[Check, ...]:
    """The conditions on which the exit status depends."""
    before, after = losses(story.job)
    copier, copied = story.earned_by(COPIER), story.earned_by(story.corpus.copied)
    went = sum(flow.amount for flow in flows)
    tracebacks = processes.tracebacks()
    return (
        Check(
            "training helped",
            after < before,
            f"held-out loss {before:.3f} -> {after:.3f} nats a token",
        ),
        Check(
            "copying does not pay",
            copier <= COPIER_SHARE_MAX * copied,
            f"the copier earned {open_text(copier)} OPEN, what it copied {open_text(copied)}",
        ),
        Check(
            "money adds up to the unit",
            went == fees == sum(each.batch.fees for each in story.batches),
            f"{fees} units charged, {went} units paid out",
        ),
        Check(
            "every receipt verifies offline",
            story.verified == len(story.receipts) > 0,
            f"{story.verified} of {len(story.receipts)}",
        ),
        Check(
            "no process failed",
            not tracebacks,
            f"tracebacks in {', '.join(tracebacks)}" if tracebacks else "no traceback in any log",
        ),
    )


def next_commands(story: Story, settings: DemoSettings, client: NodeClient) -> tuple[str, ...]:
    """Three things to try on what the demo left behind."""
    command = ".venv/bin/openledger"
    best = max(story.corpus.contributions, key=lambda each: story.earned_by(each.name))
    receipt = settings.directory / "receipts" / payout_file(best.name, story.epochs[0].epoch)
    data = settings.directory / "network"
    honest = sum(each.role is Role.HONEST for each in story.corpus.contributions)
    return (
        f"{command} receipt show {receipt} --genesis {client.genesis_hash.hex()}",
        f"{command} localnet up --dir {data}    # goes on, all {honest} contributors paid",
        f"{command} demo --data TABLE.csv --prompt question --completion answer --contributor who",
    )
