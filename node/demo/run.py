"""The demo from start to end: a chapter a stage, and one record of what was found."""

from __future__ import annotations

from pathlib import Path

from rich.console import Console

from genesis.embedded_model import EMBEDDED_MODEL
from ml.training.order import trained_rows
from node.api.keys import ApiKeys
from node.client import NodeClient
from node.demo import chain, datanet, model, settlement
from node.demo.conclusions import Story, conclude
from node.demo.corpus import Corpus
from node.demo.facts import choose_facts
from node.demo.inputs import load_corpus
from node.demo.people import people_of
from node.demo.processes import Processes
from node.demo.report import DemoReport
from node.demo.settings import DemoSettings, fresh_directory
from node.demo.stages import Stages
from node.demo.validators import Validators
from node.ports import free_port
from node.workers.orders import order_of
from runtime.wire.records import Job


def run_demo(settings: DemoSettings, console: Console) -> DemoReport:
    """Run everything and return what was found; raises typed errors that say what to do."""
    stages = Stages(console)
    if settings.base_model is not None:
        check_base_model(settings.base_model)
    with stages.stage("read the rows") as bar:
        corpus = load_corpus(settings)
        bar.show(1, 1, f"{corpus.row_count():,} rows, {len(corpus.contributions)} contributors")
    with fresh_directory(settings.directory), Processes(settings.directory / "logs") as processes:
        with stages.stage("start four validators"):
            validators = Validators.start(processes, settings)
        with validators.client() as client:
            story = tell(settings, corpus, client, processes, stages, validators)
            with stages.stage("conclude"):
                agreed = validators.compare(client.height())
                return conclude(story, client, processes, stages, settings, agreed)


def tell(
    settings: DemoSettings,
    corpus: Corpus,
    client: NodeClient,
    processes: Processes,
    stages: Stages,
    validators: Validators,
) -> Story:
    """The life of paid answers, chapters 1 to 6 of the architecture."""
    people = people_of(corpus)
    base_model = settings.base_model or EMBEDDED_MODEL
    port = free_port()
    work = settings.directory / "work"
    with stages.stage("contributors commit and reveal") as bar:
        number = datanet.create_datanet(client, people, corpus)
        submitted = datanet.contribute(client, people, corpus, number, bar)
    with stages.stage("review and publish the Datanet"):
        published = datanet.publish(client, people, number, submitted)
    with stages.stage("train an adapter") as bar:
        server_url = f"{chain.LOCALHOST}:{port}"
        chain.start_referees(processes, settings, validators.nodes, server_url)
        chain.start_worker(processes, settings, client.url, server_url)
        progress = chain.progress_of(work / "progress.json", processes)
        validators.kill_one(processes, client)
        adapter, job = model.train(client, people, published, base_model, progress, bar)
        model.open_for_business(client, people, adapter)
    with stages.stage("ask and answer") as bar:
        keys = ApiKeys(settings.directory / "serve" / "api-keys.json")
        api_key = keys.add(people.user.account, "demo")
        chain.start_server(processes, settings, client.url, port)
        facts = choose_facts(corpus, trained_hashes(client, adapter, job))
        questions = [fact.question for fact in facts]
        answers = model.ask_all(server_url, api_key, adapter, questions, bar)
    with stages.stage("settle the answers") as bar:
        batches = settlement.wait_for_answers(client, adapter, len(answers), bar)
    with stages.stage("attribute the epoch") as bar:
        epochs = settlement.wait_for_attribution(client, batches, progress, bar)
    with stages.stage("claim every payout") as bar:
        earned = settlement.claim_all(client, people, epochs, bar)
    with stages.stage("verify every receipt offline"):
        folder = settings.directory / "receipts"
        receipts = settlement.write_receipts(client, people, epochs, folder)
        receipts += settlement.write_answer_receipts([each.receipt for each in answers], folder)
        verified = settlement.verify_offline(receipts, client.genesis_hash)
    return Story(
        corpus, people, published, job, facts, answers, batches, epochs, earned, receipts, verified
    )


def trained_hashes(client: NodeClient, adapter: bytes, job: Job) -> set[bytes]:
    """The hashes of the rows that moved the model, recomputed as any auditor would."""
    number = client.read("Models", "models", adapter).job
    order, rows = order_of(client, number, job)
    return {row.record.row_hash for row in trained_rows(order, rows)}


def check_base_model(folder: Path) -> None:
    """Raise `ModelUnusable` now rather than let the worker find out later."""
    from ml.base_model import load_base
    from runtime.wire.training_parameters import TARGET_MODULES

    load_base(folder, TARGET_MODULES)
