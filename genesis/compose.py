"""Which pallets the chain is made of, and what each of them knows of the others.

A pallet that is built in has a field in `Pallets` and a line in `compose`.  Pallets from packages
come from the chain spec (`genesis.pallet_packages`) and are given their needs by name.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields
from typing import Any

from consensus.bls import BLS
from genesis.evidence import verify_evidence
from pallets.attribution.pallet import Attribution
from pallets.audits.pallet import Audits
from pallets.balances.pallet import Balances
from pallets.compute.pallet import Compute
from pallets.data_rights.pallet import DataRights
from pallets.datanet_votes.pallet import DatanetVotes
from pallets.datanets.pallet import Datanets
from pallets.disputes.pallet import Disputes
from pallets.exams.pallet import Exams
from pallets.fees.pallet import Fees
from pallets.governance.pallet import Governance
from pallets.inference.pallet import Inference
from pallets.models.pallet import Models
from pallets.multisig.pallet import Multisig
from pallets.offences.pallet import Offences
from pallets.panels.pallet import Panels
from pallets.preimage.pallet import Preimage
from pallets.proxy.pallet import Proxy
from pallets.reports.pallet import Reports
from pallets.scheduler.pallet import Scheduler
from pallets.session.pallet import Session
from pallets.staking.pallet import Staking
from pallets.submissions.pallet import Submissions
from pallets.system.pallet import System
from pallets.treasury.pallet import Treasury
from pallets.upgrade.pallet import Upgrade
from pallets.utility.pallet import Utility
from pallets.vesting.pallet import Vesting
from pallets.voting.pallet import Voting
from pallets.workers.pallet import Workers
from runtime.errors import DefinitionError
from runtime.executive import Runtime
from runtime.pallet import Pallet

SPEC_VERSION = 1
RUNTIME_NAME = "openledger"


@dataclass(frozen=True, slots=True)
class Pallets:
    """The pallets of one runtime, by their types."""

    system: System
    utility: Utility
    balances: Balances
    fees: Fees
    staking: Staking
    session: Session
    offences: Offences
    upgrade: Upgrade
    preimage: Preimage
    scheduler: Scheduler
    governance: Governance
    voting: Voting
    treasury: Treasury
    vesting: Vesting
    multisig: Multisig
    proxy: Proxy
    panels: Panels
    datanets: Datanets
    submissions: Submissions
    reports: Reports
    data_rights: DataRights
    datanet_votes: DatanetVotes
    models: Models
    workers: Workers
    audits: Audits
    exams: Exams
    compute: Compute
    disputes: Disputes
    inference: Inference
    attribution: Attribution


def compose(extra: Sequence[type[Pallet]] = ()) -> tuple[Runtime, Pallets]:
    """Return a new runtime and its built-in pallets; the order is that of their hooks.

    `extra` are the pallets from packages, which come last.  Nothing else of a chain spec matters
    here, so that a client composes what every node runs; what a spec chooses beside them is in the
    state from genesis on.  Raises `DefinitionError`.
    """
    pallets = _pallets()
    offered = _offered(pallets)
    runtime = Runtime(
        *(getattr(pallets, field.name) for field in fields(Pallets)),
        *(_with_needs(pallet, offered) for pallet in extra),
        spec_version=SPEC_VERSION,
        name=RUNTIME_NAME,
    )
    return runtime, pallets


def _pallets() -> Pallets:
    """The built-in pallets, each with those that it needs."""
    system = System()
    balances = Balances()
    preimage = Preimage(currency=balances)
    scheduler = Scheduler(preimages=preimage)
    governance = Governance(currency=balances, preimages=preimage, scheduler=scheduler)
    staking = Staking(currency=balances)
    session = Session(stakes=staking, bls=BLS)
    panels = Panels(currency=balances, randomness=session)
    datanets = Datanets(currency=balances)
    submissions = Submissions(currency=balances, datanets=datanets, panels=panels)
    models = Models(currency=balances)
    workers = Workers(currency=balances)
    audits = Audits(currency=balances, workers=workers)
    exams = Exams(currency=balances)
    compute = Compute(
        currency=balances,
        datanets=datanets,
        models=models,
        workers=workers,
        audits=audits,
        examiner=exams,
    )
    attribution = Attribution(currency=balances, datanets=datanets, jobs=compute, models=models)
    inference = Inference(currency=balances, models=models, pool=attribution)
    return Pallets(
        system=system,
        utility=Utility(),
        balances=balances,
        fees=Fees(),
        staking=staking,
        session=session,
        offences=Offences(
            currency=balances, stakes=staking, sets=session, verifier=verify_evidence
        ),
        upgrade=Upgrade(system=system, sets=session),
        preimage=preimage,
        scheduler=scheduler,
        governance=governance,
        voting=Voting(currency=balances, polls=governance),
        treasury=Treasury(currency=balances),
        vesting=Vesting(currency=balances),
        multisig=Multisig(currency=balances),
        proxy=Proxy(currency=balances),
        panels=panels,
        datanets=datanets,
        submissions=submissions,
        reports=Reports(
            currency=balances, datanets=datanets, submissions=submissions, panels=panels
        ),
        data_rights=DataRights(currency=balances, datanets=datanets, submissions=submissions),
        datanet_votes=DatanetVotes(currency=balances, datanets=datanets),
        models=models,
        workers=workers,
        audits=audits,
        exams=exams,
        compute=compute,
        disputes=Disputes(currency=balances, work=compute, sets=session, stakes=staking),
        inference=inference,
        attribution=attribution,
    )


def compose_runtime(extra: Sequence[type[Pallet]] = ()) -> Runtime:
    """Return a new runtime; its pallets are in `Runtime.pallets`."""
    return compose(extra)[0]


def _offered(pallets: Pallets) -> Mapping[str, Any]:
    """What a pallet from a package may need, by name."""
    return {
        "currency": pallets.balances,
        "stakes": pallets.staking,
        "sets": pallets.session,
        "randomness": pallets.session,
        "datanets": pallets.datanets,
        "submissions": pallets.submissions,
        "panels": pallets.panels,
        "models": pallets.models,
        "workers": pallets.workers,
        "audits": pallets.audits,
        "jobs": pallets.compute,
        "work": pallets.compute,
        "examiner": pallets.exams,
        "pool": pallets.attribution,
    }


def _with_needs(pallet: type[Pallet], offered: Mapping[str, Any]) -> Pallet:
    """The pallet with what it needs, by the names of its needs; raises `DefinitionError`."""
    needs = pallet.definition.needs
    for name in needs:
        if name not in offered:
            message = f"{pallet.definition.name} needs {name}, which no pallet offers."
            remedy = f"Name the need as one of {', '.join(offered)}."
            raise DefinitionError(message, remedy=remedy)
    return pallet(**{name: offered[name] for name in needs})
