"""A worker's folder and what it needs, opened inside a test."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from node.client import NodeClient
from node.workers.answers import AnswerServers
from node.workers.progress import ProgressFile
from node.workers.records import WorkRecords
from node.workers.workplace import Workplace, base_models_of
from runtime.keys import Keypair
from tests.node.market import BASE_MODEL


@contextmanager
def workplace(client: NodeClient, keypair: Keypair, work: Path) -> Iterator[Workplace]:
    """A worker's folder; its journal is locked while it is open."""
    records = WorkRecords(work / "journal")
    try:
        yield Workplace(
            client=client,
            keypair=keypair,
            work=work,
            base_models=base_models_of([BASE_MODEL]),
            servers=AnswerServers([], client, keypair),
            records=records,
            progress=ProgressFile(work / "progress.json"),
            stop=threading.Event(),
        )
    finally:
        records.close()
