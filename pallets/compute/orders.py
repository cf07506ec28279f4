"""What can be ordered: pure functions."""

from __future__ import annotations

from runtime.traits import DatanetSource, ModelRegistry
from runtime.wire.datanets import Access
from runtime.wire.records import JobKind, JobOrder, RowSource
from runtime.wire.training_parameters import ParameterFault, leaves_of, parameter_fault
from runtime.wire.work import ModelShape, order_work

LEAVES_MIN = 2
"""A transcript begins with an initial state and ends with a conclusion."""
LEAVES_MAX = 10_000_000
_NAME_BYTES = 32


def order_fault(models: ModelRegistry, order: JobOrder) -> ParameterFault | None:
    """What is wrong with an order, or None for one that can be worked on."""
    shape = models.admitted_shape(order.base_model)
    if shape is None:
        problem = "The base model is not admitted."
        remedy = "Choose one of Models.base_models that is, or have it admitted by referendum."
        return ParameterFault("base_model", problem, remedy)
    if not order.sources:
        problem = "The job has no rows to read."
        return ParameterFault("sources", problem, "Name a Datanet version.")
    if order.kind is JobKind.TRAIN:
        return _training_order_fault(order, shape)
    return _other_order_fault(order)


def _other_order_fault(order: JobOrder) -> ParameterFault | None:
    if order.kind is JobKind.ATTRIBUTE:
        problem = "The chain itself orders the division of an epoch's pool."
        return ParameterFault("kind", problem, "Have it done with Attribution.order.")
    if order.parameters is not None or None in (order.subject, order.details):
        problem = f"A job of the kind {order.kind.name} has a subject and details alone."
        return ParameterFault("details", problem, "Name both, and no training parameters.")
    if not LEAVES_MIN <= order.leaf_count <= LEAVES_MAX:
        problem = f"The job has {order.leaf_count} leaves."
        return ParameterFault("leaf_count", problem, f"Order {LEAVES_MIN} to {LEAVES_MAX}.")
    return None


def _training_order_fault(order: JobOrder, shape: ModelShape) -> ParameterFault | None:
    parameters = order.parameters
    if parameters is None or (order.subject, order.details) != (None, None):
        problem = "A training job has training parameters, and nothing else."
        return ParameterFault("parameters", problem, "Give parameters, no subject and no details.")
    fault = parameter_fault(parameters)
    if fault is None and parameters.tokens_max > shape.positions_max:
        problem = f"The base model has no sequences of {parameters.tokens_max} tokens."
        return ParameterFault("tokens_max", problem, f"Choose at most {shape.positions_max}.")
    if fault is None and order.leaf_count != leaves_of(parameters):
        problem = f"{parameters.steps} steps do not have {order.leaf_count} leaves."
        return ParameterFault("leaf_count", problem, f"Order {leaves_of(parameters)}.")
    return fault


def has_private_rows(datanets: DatanetSource, order: JobOrder) -> bool:
    """Whether not everybody may read what the job reads; raises `Datanets.UnknownDatanet`."""
    terms = [datanets.terms_of(source.datanet) for source in order.sources]
    return any(each.access is not Access.PUBLIC for each in terms)


def unusable_source(datanets: DatanetSource, order: JobOrder, account: bytes) -> RowSource | None:
    """The first source without rows, or that `account` may not use for the order's purpose.

    Raises `Datanets.UnknownVersion`.
    """
    for source in order.sources:
        place = (source.datanet, source.version)
        rows = datanets.published_version(*place).row_count
        if not rows or not datanets.permits(*place, order.purpose, account):
            return source
    return None


def work_of(models: ModelRegistry, datanets: DatanetSource, order: JobOrder) -> int:
    """The multiply-adds of an order without a fault, whose sources are there."""
    shape = models.admitted_shape(order.base_model)
    places = [(source.datanet, source.version) for source in order.sources]
    rows = sum(datanets.published_version(*place).row_count for place in places)
    return 0 if shape is None else order_work(shape, order, rows)


def name_of_use(job: int) -> bytes:
    """The 32 bytes by which Datanets know that a job uses them."""
    return job.to_bytes(_NAME_BYTES, "big")
