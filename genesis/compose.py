"""Which pallets the chain is made of, and what each of them knows of the others."""

from __future__ import annotations

from dataclasses import dataclass

from pallets.attribution.pallet import Attribution
from pallets.balances.pallet import Balances
from pallets.compute.pallet import Compute
from pallets.datanets.pallet import Datanets
from pallets.fees.pallet import Fees
from pallets.inference.pallet import Inference
from pallets.models.pallet import Models
from pallets.system.pallet import System
from pallets.utility.pallet import Utility
from runtime.executive import Runtime

SPEC_VERSION = 1
RUNTIME_NAME = "openledger"


@dataclass(frozen=True, slots=True)
class Pallets:
    """The pallets of one runtime, by their types."""

    system: System
    utility: Utility
    balances: Balances
    fees: Fees
    datanets: Datanets
    models: Models
    compute: Compute
    inference: Inference
    attribution: Attribution


def compose() -> tuple[Runtime, Pallets]:
    """Return a new runtime and its pallets; the order is that of their hooks.

    Nothing here depends on a chain spec, so that a client composes what every node runs; what a
    spec chooses is in the state from genesis on.
    """
    balances = Balances()
    datanets = Datanets(currency=balances)
    models = Models()
    compute = Compute(currency=balances, datanets=datanets, models=models)
    attribution = Attribution(currency=balances, workers=compute, models=models, datanets=datanets)
    inference = Inference(currency=balances, models=models, pool=attribution)
    pallets = Pallets(
        System(), Utility(), balances, Fees(), datanets, models, compute, inference, attribution
    )
    runtime = Runtime(
        pallets.system,
        pallets.utility,
        pallets.balances,
        pallets.fees,
        pallets.datanets,
        pallets.models,
        pallets.compute,
        pallets.inference,
        pallets.attribution,
        spec_version=SPEC_VERSION,
        name=RUNTIME_NAME,
    )
    return runtime, pallets


def compose_runtime() -> Runtime:
    """Return a new runtime; its pallets are in `Runtime.pallets`."""
    return compose()[0]
