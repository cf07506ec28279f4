"""What a client of the API is told, in the shape of OpenAI's errors; the tree on top.

NodeError
 `- ApiError                         status, type, parameter and code of an error answer
     |- InvalidRequest               400  invalid_request_error
     |- InvalidApiKey                401  invalid_request_error, code invalid_api_key
     |- NotDisclosed                 403  permission_error: the caller is not a bonded worker
     |- OperatorsOnly                403  permission_error: the key may not change what is served
     |- UnknownModel                 404  invalid_request_error, code model_not_found
     |- BrokenModel                  422  invalid_request_error: its adapter cannot be applied
     |- InsufficientEscrow           429  insufficient_quota
     |- QuotaSpent                   429  insufficient_quota: the key's tokens or fees of the day
     |- RateLimited                  429  rate_limit_error, code rate_limit_exceeded: the key's
     |- Overloaded                   429  rate_limit_error, code rate_limit_exceeded: the server's
     `- Unavailable                  503  server_error: the node or a file is out of reach
"""

from __future__ import annotations

from typing import ClassVar

from node.errors import NodeError

RETRY_AFTER_S = 2


class ApiError(NodeError):
    """An error answer; the class decides status and type, the instance names the parameter."""

    status: ClassVar[int] = 500
    kind: ClassVar[str] = "server_error"
    code: ClassVar[str | None] = None
    retry: ClassVar[bool] = False
    """Whether the same request may succeed a moment later."""

    def __init__(
        self,
        message: str,
        *,
        remedy: str,
        parameter: str | None = None,
        retry_after_s: int = RETRY_AFTER_S,
    ) -> None:
        """Keep which field of the request is wrong, if one is, and when to ask again."""
        super().__init__(message, remedy=remedy)
        self.parameter = parameter
        self.retry_after_s = retry_after_s


class InvalidRequest(ApiError):
    """A field of the request is missing, of the wrong type, or asks for what is not offered."""

    status = 400
    kind = "invalid_request_error"


class InvalidApiKey(ApiError):
    """No API key, or one that this server has not given out."""

    status = 401
    kind = "invalid_request_error"
    code = "invalid_api_key"


class NotDisclosed(ApiError):
    """Answers are given to bonded workers only."""

    status = 403
    kind = "permission_error"


class OperatorsOnly(ApiError):
    """A request to change what is served, with a key that is not an operator's."""

    status = 403
    kind = "permission_error"


class UnknownModel(ApiError):
    """No such model, or one that its owner has not published."""

    status = 404
    kind = "invalid_request_error"
    code = "model_not_found"

    @classmethod
    def of(cls, model: bytes) -> UnknownModel:
        """The error for a model that is not there, or not for this caller: both look the same."""
        return cls(
            f"The model {model.hex()} does not exist, or is private.",
            remedy="GET /v1/models lists those that you may use.",
            parameter="model",
        )


class BrokenModel(ApiError):
    """The model's adapter is not one that the base model can apply: asking again is of no use."""

    status = 422
    kind = "invalid_request_error"
    code = "model_broken"


class InsufficientEscrow(ApiError):
    """Escrow or authorisation of the account does not cover the answer."""

    status = 429
    kind = "insufficient_quota"
    code = "insufficient_quota"


class QuotaSpent(ApiError):
    """The answer may take more than is left of the key's tokens or fees of the day."""

    status = 429
    kind = "insufficient_quota"
    code = "insufficient_quota"


class RateLimited(ApiError):
    """More requests than the key may send in a minute."""

    status = 429
    kind = "rate_limit_error"
    code = "rate_limit_exceeded"
    retry = True


class Overloaded(ApiError):
    """As many answers are being written as this server takes at once."""

    status = 429
    kind = "rate_limit_error"
    code = "rate_limit_exceeded"
    retry = True


class Unavailable(ApiError):
    """The node, its content or this server's disk cannot be used at the moment."""

    status = 503
    kind = "server_error"
    retry = True
