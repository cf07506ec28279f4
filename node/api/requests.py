"""The bodies of `/v1/chat/completions` and `/v1/completions`, checked field by field.

A field that would change the answer and is not offered is refused unless it has its neutral value,
so that nobody pays for something else than was asked for.
"""

from __future__ import annotations

import math
import secrets
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Literal

from ml.serving.chat import Message, last_question
from ml.serving.requests import (
    LANES,
    LOGPROBS_MAX,
    PENALTY_PPB_MAX,
    REPETITION_PPB_MAX,
    REPETITION_PPB_MIN,
    SEED_MAX,
    STOPS_MAX,
    TOP_K_MAX,
    Lane,
)
from node.api.errors import InvalidRequest
from runtime.types import PPB

TOKENS_DEFAULT = 48
TOKENS_MAX = 4_096
TEMPERATURE_MAX = 2.0
MESSAGES_MAX = 256
PARTS_MAX = 64
MODEL_HASH_BYTES = 32
PENALTY_MAX = PENALTY_PPB_MAX / PPB
REPETITION_MIN, REPETITION_MAX = REPETITION_PPB_MIN / PPB, REPETITION_PPB_MAX / PPB
ROLES = frozenset({"system", "developer", "user", "assistant", "tool"})

Shape = Literal["chat", "text"]
"""`chat` answers the last user message; `text` continues a raw prompt."""

_OFFERED = frozenset(
    {
        "model",
        "messages",
        "prompt",
        "max_tokens",
        "max_completion_tokens",
        "temperature",
        "top_p",
        "top_k",
        "presence_penalty",
        "frequency_penalty",
        "repetition_penalty",
        "seed",
        "stop",
        "stream",
        "stream_options",
        "logprobs",
        "top_logprobs",
        "lane",
        "disclose",
    }
)
_WITHOUT_EFFECT = frozenset({"user", "metadata", "store", "service_tier", "safety_identifier"})
_NEUTRAL: dict[str, tuple[object, ...]] = {
    "n": (1,),
    "best_of": (1,),
    "logit_bias": ({},),
    "echo": (False,),
    "suffix": ("",),
    "tools": ([],),
    "tool_choice": ("none", "auto"),
    "functions": ([],),
    "response_format": ({"type": "text"},),
    "modalities": (["text"],),
}


@dataclass(frozen=True, slots=True)
class Sampling:
    """How tokens are drawn; in the lane `verifiable` by temperature and seed alone."""

    temperature_ppb: int
    seed: int
    top_p_ppb: int
    top_k: int
    presence_penalty_ppb: int
    frequency_penalty_ppb: int
    repetition_penalty_ppb: int


@dataclass(frozen=True, slots=True)
class CompletionRequest:
    """What a client asks for; defaults are filled in."""

    shape: Shape
    model: bytes
    """Manifest hash of the adapter."""
    prompt: str
    """The last message of the user, or the raw prompt."""
    messages: tuple[Message, ...]
    """The whole conversation; empty for a raw prompt."""
    tokens_max: int
    sampling: Sampling
    stops: tuple[str, ...]
    stream: bool
    include_usage: bool
    logprobs: int | None
    """State each token's log-probability and those of so many likeliest ones."""
    lane: Lane
    disclose: bool
    """Whether workers may read prompt and output to attribute the answer."""


def model_hash(name: object) -> bytes:
    """The model that `name` stands for on the chain: its manifest hash in hex."""
    try:
        model = bytes.fromhex(name) if isinstance(name, str) else b""
    except ValueError:
        model = b""
    if len(model) != MODEL_HASH_BYTES:
        raise wrong("model", name, "the 64 hexadecimal digits of a model in GET /v1/models")
    return model


def parse_completion(
    body: Any,
    shape: Shape,
    model_of: Callable[[object], bytes] = model_hash,
    also_offered: frozenset[str] = frozenset(),
) -> CompletionRequest:
    """Check the JSON body of a request; raises `InvalidRequest` naming the field.

    `model_of` finds the model by the value of `model`; fields in `also_offered` are the caller's.
    """
    if not isinstance(body, dict):
        raise InvalidRequest("The body is not a JSON object.", remedy="Send one JSON object.")
    fields = {name: value for name, value in body.items() if value is not None}
    _check_names(fields, also_offered)
    messages = _messages(fields) if shape == "chat" else ()
    prompt = last_question(messages) if shape == "chat" else _raw_prompt(fields)
    stream = _boolean(fields, "stream", default=False)
    options = fields.get("stream_options", {})
    if not isinstance(options, dict):
        raise wrong("stream_options", options, "a JSON object")
    return CompletionRequest(
        shape=shape,
        model=model_of(fields.get("model")),
        prompt=prompt,
        messages=messages,
        tokens_max=_tokens_max(fields),
        sampling=_sampling(fields),
        stops=_stops(fields),
        stream=stream,
        include_usage=_boolean(options, "include_usage", default=False),
        logprobs=_logprobs(fields, shape),
        lane=_lane(fields),
        disclose=_boolean(fields, "disclose", default=True),
    )


def wrong(name: str, found: object, wanted: str) -> InvalidRequest:
    """The error for a field `name` whose value is not `wanted`."""
    shown = repr(found)
    shown = shown if len(shown) <= 80 else f"{shown[:77]}..."
    return InvalidRequest(f"'{name}' is {shown}.", remedy=f"It must be {wanted}.", parameter=name)


def _check_names(fields: dict[str, Any], also_offered: frozenset[str]) -> None:
    for name, value in fields.items():
        if name in _OFFERED or name in _WITHOUT_EFFECT or name in also_offered:
            continue
        neutral = _NEUTRAL.get(name)
        if neutral is None:
            raise InvalidRequest(
                f"There is no parameter '{name[:80]}'.",
                remedy="Leave it out.",
                parameter=name[:80],
            )
        if value not in neutral:
            raise wrong(name, value, f"{neutral[0]!r}, or left out: nothing else is offered")


def _lane(fields: dict[str, Any]) -> Lane:
    lane: Lane = fields.get("lane", LANES[0])
    if lane not in LANES:
        raise wrong("lane", lane, " or ".join(map(repr, LANES)))
    return lane


def _sampling(fields: dict[str, Any]) -> Sampling:
    temperature_ppb = _billionths(fields, "temperature", 0, 0, TEMPERATURE_MAX)
    # Without a seed a sampled answer draws its own; the receipt says which.
    seed = secrets.randbelow(SEED_MAX + 1) if temperature_ppb else 0
    return Sampling(
        temperature_ppb,
        integer_field(fields, "seed", seed, 0, SEED_MAX),
        max(1, _billionths(fields, "top_p", 1, 0, 1)),
        integer_field(fields, "top_k", 0, 0, TOP_K_MAX),
        _billionths(fields, "presence_penalty", 0, -PENALTY_MAX, PENALTY_MAX),
        _billionths(fields, "frequency_penalty", 0, -PENALTY_MAX, PENALTY_MAX),
        _billionths(fields, "repetition_penalty", 1, REPETITION_MIN, REPETITION_MAX),
    )


def _billionths(
    fields: dict[str, Any], name: str, default: float, least: float, most: float
) -> int:
    return round(number_field(fields, name, default, least, most) * PPB)


def _messages(fields: dict[str, Any]) -> tuple[Message, ...]:
    """The conversation, in which the user has asked something."""
    messages = fields.get("messages")
    if not isinstance(messages, list) or not 1 <= len(messages) <= MESSAGES_MAX:
        raise wrong("messages", messages, f"a list of 1 to {MESSAGES_MAX} messages")
    found = []
    for index, message in enumerate(messages):
        if not isinstance(message, dict) or message.get("role") not in ROLES:
            roles = ", ".join(sorted(ROLES))
            raise wrong(f"messages[{index}]", message, f"an object whose role is one of {roles}")
        content = message.get("content")
        if content is None and message["role"] != "user":
            content = ""  # such as of an assistant that called a tool
        found.append(Message(message["role"], _message_text(content, index)))
    if not last_question(found):
        raise wrong("messages", "without a question", "a list with a message of the role user")
    return tuple(found)


def _message_text(content: object, index: int) -> str:
    if isinstance(content, str):
        return encodable(content, f"messages[{index}].content")
    if isinstance(content, list) and len(content) <= PARTS_MAX:
        parts = [
            part["text"]
            for part in content
            if isinstance(part, dict)
            and part.get("type") == "text"
            and isinstance(part.get("text"), str)
        ]
        if len(parts) == len(content):
            return encodable("".join(parts), f"messages[{index}].content")
    raise wrong(f"messages[{index}].content", content, "a text, or a list of text parts")


def _logprobs(fields: dict[str, Any], shape: Shape) -> int | None:
    """How many likeliest tokens to state: chats say whether and how many, completions a number."""
    if shape == "text":
        if "top_logprobs" in fields:
            raise wrong(
                "top_logprobs", fields["top_logprobs"], "left out: 'logprobs' is the number"
            )
        if "logprobs" not in fields:
            return None
        return integer_field(fields, "logprobs", 0, 0, LOGPROBS_MAX)
    count = integer_field(fields, "top_logprobs", 0, 0, LOGPROBS_MAX)
    if _boolean(fields, "logprobs", default=False):
        return count
    if count:
        raise wrong("top_logprobs", count, "left out without 'logprobs'")
    return None


def _raw_prompt(fields: dict[str, Any]) -> str:
    prompt = fields.get("prompt")
    if isinstance(prompt, list) and len(prompt) == 1:
        prompt = prompt[0]
    if not isinstance(prompt, str) or not prompt:
        raise wrong("prompt", prompt, "one text that is not empty")
    return encodable(prompt, "prompt")


def encodable(text: str, name: str) -> str:
    """A text without lone surrogates, which JSON can spell and UTF-8 cannot.

    Raises `InvalidRequest`.
    """
    try:
        text.encode()
    except UnicodeEncodeError as error:
        raise wrong(name, "not valid Unicode", "a text of Unicode characters") from error
    return text


def _tokens_max(fields: dict[str, Any]) -> int:
    both = {"max_tokens", "max_completion_tokens"} & fields.keys()
    if len(both) == 2 and fields["max_tokens"] != fields["max_completion_tokens"]:
        raise wrong("max_tokens", fields["max_tokens"], "left out beside max_completion_tokens")
    name = "max_completion_tokens" if "max_completion_tokens" in both else "max_tokens"
    return integer_field(fields, name, TOKENS_DEFAULT, 1, TOKENS_MAX)


def number_field(
    fields: dict[str, Any], name: str, default: float, least: float, most: float
) -> float:
    """A number of the body in its range; raises `InvalidRequest`."""
    value = fields.get(name, default)
    is_number = isinstance(value, int | float) and not isinstance(value, bool)
    if not is_number or not math.isfinite(value) or not least <= value <= most:
        raise wrong(name, value, f"a number from {least:g} to {most:g}")
    return float(value)


def _stops(fields: dict[str, Any]) -> tuple[str, ...]:
    value = fields.get("stop", [])
    stops = [value] if isinstance(value, str) else value
    if (
        not isinstance(stops, list)
        or len(stops) > STOPS_MAX
        or not all(isinstance(stop, str) and stop for stop in stops)
    ):
        raise wrong("stop", value, f"a text, or a list of at most {STOPS_MAX} texts")
    return tuple(stops)


def integer_field(fields: dict[str, Any], name: str, default: int, least: int, most: int) -> int:
    """An integer of the body in its range; raises `InvalidRequest`."""
    value = fields.get(name, default)
    if not isinstance(value, int) or isinstance(value, bool) or not least <= value <= most:
        raise wrong(name, value, f"an integer from {least} to {most}")
    return value


def _boolean(fields: dict[str, Any], name: str, *, default: bool) -> bool:
    value = fields.get(name, default)
    if not isinstance(value, bool):
        raise wrong(name, value, "true or false")
    return value
