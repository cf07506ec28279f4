"""What can be ordered: pure functions."""

from __future__ import annotations

from runtime.traits import DatanetSource, Examiner, ModelRegistry
from runtime.wire.attribution import replay_work
from runtime.wire.datanets import Access
from runtime.wire.exams import exam_leaves
from runtime.wire.records import JobKind, JobOrder, RowSource
from runtime.wire.training_parameters import ParameterFault, leaves_of, parameter_fault
from runtime.wire.work import ModelShape, order_work

_NAME_BYTES = 32


def order_fault(
    models: ModelRegistry, examiner: Examiner, order: JobOrder
) -> ParameterFault | None:
    """What is wrong with an order, or None for one that can be worked on.

    Raises `Models.UnknownModel`, `Exams.UnknownExam` and `Exams.NotShown`.
    """
    shape = models.admitted_shape(order.base_model)
    if shape is None:
        problem = "The base model is not admitted."
        remedy = "Choose one of Models.base_models that is, or have it admitted by referendum."
        return ParameterFault("base_model", problem, remedy)
    if order.kind is JobKind.EVALUATE:
        return _exam_order_fault(models, examiner, order, shape)
    if order.kind is JobKind.ATTRIBUTE:
        problem = "The chain itself orders the division of an epoch's pool."
        return ParameterFault("kind", problem, "Have it done with Attribution.order.")
    if not order.sources:
        problem = "The job has no rows to read."
        return ParameterFault("sources", problem, "Name a Datanet version.")
    return _training_order_fault(order, shape)


def _exam_order_fault(
    models: ModelRegistry, examiner: Examiner, order: JobOrder, shape: ModelShape
) -> ParameterFault | None:
    if order.subject is None or order.exam is None:
        problem = "An evaluate job scores a subject on an exam."
        return ParameterFault("exam", problem, "Name both.")
    if order.sources or order.parameters is not None or order.details is not None:
        problem = "An evaluate job reads the rows of its exam, and nothing else."
        return ParameterFault("sources", problem, "Give no sources, parameters and details.")
    is_base = order.subject == order.base_model
    if not is_base and models.model(order.subject).base_model != order.base_model:
        problem = "The subject was trained on another base model."
        return ParameterFault("base_model", problem, "Name the subject's own.")
    exam = examiner.shown_exam(order.exam)
    if exam.tokens_max > shape.positions_max:
        problem = f"The exam's rows have up to {exam.tokens_max} tokens."
        return ParameterFault("exam", problem, f"Its base model reads {shape.positions_max}.")
    leaf_count = exam_leaves(exam.shown.row_count if exam.shown else 0)
    if order.leaf_count != leaf_count:
        problem = f"The exam's rows do not have {order.leaf_count} leaves."
        return ParameterFault("leaf_count", problem, f"Order {leaf_count}.")
    return None


def _training_order_fault(order: JobOrder, shape: ModelShape) -> ParameterFault | None:
    parameters = order.parameters
    others = (order.subject, order.details, order.exam)
    if parameters is None or others != (None, None, None):
        problem = "A training job has training parameters, and nothing else."
        return ParameterFault(
            "parameters", problem, "Give parameters; no subject, details or exam."
        )
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


def work_of(
    models: ModelRegistry,
    datanets: DatanetSource,
    examiner: Examiner,
    order: JobOrder,
    training: JobOrder | None,
) -> int:
    """The multiply-adds of an order without a fault, whose sources are there.

    `training` is the order that it replays, if it does.
    """
    shape = models.admitted_shape(order.base_model)
    if shape is None:
        return 0
    if order.exam is not None:
        exam = examiner.shown_exam(order.exam)
        rows = exam.shown.row_count if exam.shown else 0
        return order_work(shape, order, rows, exam.tokens_max)
    places = [(source.datanet, source.version) for source in order.sources]
    rows = sum(datanets.published_version(*place).row_count for place in places)
    if training is not None:
        return replay_work(order_work(shape, training, rows), training, order)
    return order_work(shape, order, rows)


def name_of_use(job: int) -> bytes:
    """The 32 bytes by which Datanets know that a job uses them."""
    return job.to_bytes(_NAME_BYTES, "big")
