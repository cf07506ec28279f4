"""The OpenAPI document of the plain server; `python -m node.lora.openapi` writes it down.

    docs/reference/openapi.json      what GET /openapi.json answers, too

Limits come from the code that checks them.  Optional fields may be null, which is as if they were
left out.  A test fails where the file is not what the code says, and another one sends what the
document allows, and what it does not, to a server.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from ml.serving.merging import ADAPTERS_MAX, WEIGHT_PPB_MAX
from ml.serving.requests import (
    LANES,
    LOGPROBS_MAX,
    SEED_MAX,
    STOP_CHARACTERS_MAX,
    STOPS_MAX,
    TOP_K_MAX,
)
from node.api.requests import (
    MESSAGES_MAX,
    PARTS_MAX,
    PENALTY_MAX,
    REPETITION_MAX,
    REPETITION_MIN,
    ROLES,
    TEMPERATURE_MAX,
    TOKENS_DEFAULT,
    TOKENS_MAX,
)
from node.lora.embeddings import INPUTS_MAX
from node.lora.loading import NAME_PATTERN, PATH_CHARACTERS_MAX
from runtime.types import PPB

OPENAPI_FILE = Path(__file__).parents[2] / "docs" / "reference" / "openapi.json"
VERSION = "1"
_NAME = {"type": "string", "minLength": 1}
_GIVEN_NAME = {"type": "string", "pattern": f"^{NAME_PATTERN}$"}
_TEXT = {"type": "string", "minLength": 1}
_TOKENS = {"type": "array", "items": {"type": "integer", "minimum": 0}, "minItems": 1}

Schema = dict[str, Any]


def document() -> Schema:
    """The whole document."""
    return {
        "openapi": "3.1.0",
        "info": {
            "title": "OpenLedger: many LoRA adapters on one base model",
            "version": VERSION,
            "description": "OpenAI's API, vLLM's for loading adapters, and some fields more.",
        },
        "servers": [{"url": "http://localhost:8000"}],
        "security": [{}, {"key": []}],
        "paths": _paths(),
        "components": {
            "securitySchemes": {"key": {"type": "http", "scheme": "bearer"}},
            "schemas": _schemas(),
        },
    }


def encoded_document() -> str:
    """The document as its file has it."""
    return json.dumps(document(), indent=1) + "\n"


def _paths() -> Schema:
    return {
        "/health": {"get": _open("Whether the server answers.", _object(status=_const("ok")))},
        "/metrics": {
            "get": {
                "summary": "What the engine does, for Prometheus.",
                "security": [],
                "responses": {"200": {"description": "Text.", "content": {"text/plain": {}}}},
            }
        },
        "/openapi.json": {"get": _open("This document.", {"type": "object"})},
        "/v1/models": {"get": _operation("The base model and all adapters.", _ref("ModelList"))},
        "/v1/models/{model}": {
            "get": _operation("One of them.", _ref("Model"))
            | {"parameters": [{"name": "model", "in": "path", "required": True, "schema": _NAME}]}
        },
        "/v1/chat/completions": {
            "post": _operation(
                "An answer to a conversation.", _ref("Chat"), "ChatRequest", streams=True
            )
        },
        "/v1/completions": {
            "post": _operation(
                "The continuation of a raw prompt.", _ref("Text"), "TextRequest", streams=True
            )
        },
        "/v1/embeddings": {
            "post": _operation("Vectors of the base model.", _ref("Embeddings"), "EmbeddingRequest")
        },
        "/v1/load_lora_adapter": {
            "post": _operation("A name for a folder of adapters.", _ref("Model"), "LoadRequest")
        },
        "/v1/unload_lora_adapter": {
            "post": _operation("The name stands for nothing.", _ref("Deleted"), "UnloadRequest")
        },
    }


def _schemas() -> Schema:
    return {
        "ChatRequest": _chat_request(),
        "TextRequest": _text_request(),
        "Merge": _merge(),
        "EmbeddingRequest": _request(
            ["model", "input"],
            model=_NAME,
            input={
                "anyOf": [
                    _TEXT,
                    _TOKENS,
                    {
                        "type": "array",
                        "items": {"anyOf": [_TEXT, _TOKENS]},
                        "minItems": 1,
                        "maxItems": INPUTS_MAX,
                    },
                ]
            },
            encoding_format=_nullable({"enum": ["float", "base64"]}),
            dimensions=_nullable({"type": "integer", "description": "The base model's own."}),
            user={},
        ),
        "LoadRequest": _request(
            ["lora_name", "lora_path"],
            lora_name=_GIVEN_NAME,
            lora_path={
                "type": "string",
                "pattern": "^[^\\x00]+$",
                "maxLength": PATH_CHARACTERS_MAX,
                "description": "A folder inside the server's --adapters.",
            },
            load_inplace=_nullable({"type": "boolean"}),
            base_model_name=_nullable(_NAME),
        ),
        "UnloadRequest": _request(["lora_name"], lora_name=_GIVEN_NAME, lora_int_id={}),
        **_answers(),
    }


def _chat_request() -> Schema:
    part = _object(type=_const("text"), text={"type": "string"})
    content = {
        "anyOf": [{"type": "string"}, {"type": "array", "items": part, "maxItems": PARTS_MAX}]
    }
    said = {"type": "string", "pattern": "\\S"}
    some_said = {
        "type": "array",
        "items": part,
        "maxItems": PARTS_MAX,
        "contains": _object(type=_const("text"), text=said),
    }
    asked = {"anyOf": [said, some_said]}
    messages = {
        "type": "array",
        "minItems": 1,
        "maxItems": MESSAGES_MAX,
        "items": {
            "anyOf": [
                _object(role=_const("user"), content=content),
                _object(role={"enum": sorted(ROLES - {"user"})}, content=_nullable(content)),
            ]
        },
        "description": "The last message of a user that is not blank is the question.",
        "contains": _object(role=_const("user"), content=asked),
    }
    return _request(
        ["model", "messages"],
        **_common(),
        messages=messages,
        max_completion_tokens=_nullable(_whole(1, TOKENS_MAX)),
        logprobs=_nullable({"type": "boolean"}),
        top_logprobs=_nullable(_whole(0, LOGPROBS_MAX)),
        framing=_nullable(
            {
                "enum": ["chat", "row"],
                "description": "By the tokenizer's chat template, or as rows are trained.",
            }
        ),
    )


def _text_request() -> Schema:
    one = {"type": "array", "items": _TEXT, "minItems": 1, "maxItems": 1}
    return _request(
        ["model", "prompt"],
        **_common(),
        prompt={"anyOf": [_TEXT, one]},
        logprobs=_nullable(_whole(0, LOGPROBS_MAX)),
    )


def _common() -> Schema:
    """The fields that both kinds of requests have."""
    penalty = {"type": "number", "minimum": -PENALTY_MAX, "maximum": PENALTY_MAX}
    stop = _TEXT | {"maxLength": STOP_CHARACTERS_MAX}
    return {
        "model": _NAME | {"description": "A name in /v1/models, or NAME@VERSION."},
        "max_tokens": _nullable(_whole(1, TOKENS_MAX) | {"default": TOKENS_DEFAULT}),
        "temperature": _nullable({"type": "number", "minimum": 0, "maximum": TEMPERATURE_MAX}),
        "top_p": _nullable({"type": "number", "minimum": 0, "maximum": 1}),
        "top_k": _nullable(_whole(0, TOP_K_MAX)),
        "seed": _nullable(_whole(0, SEED_MAX)),
        "stop": _nullable(
            {"anyOf": [stop, {"type": "array", "items": stop, "maxItems": STOPS_MAX}]}
        ),
        "presence_penalty": _nullable(penalty),
        "frequency_penalty": _nullable(penalty),
        "repetition_penalty": _nullable(
            {"type": "number", "minimum": REPETITION_MIN, "maximum": REPETITION_MAX}
        ),
        "stream": _nullable({"type": "boolean"}),
        "stream_options": _nullable(
            {"type": "object", "properties": {"include_usage": {"type": "boolean"}}}
        ),
        "merge": _nullable(_ref("Merge")),
        "lane": _nullable(
            {
                "enum": list(LANES),
                "default": LANES[0],
                "description": "`verifiable`: exact operators; the answer has `evidence` that one "
                "prefill checks. Greedy, or by temperature and seed alone; no merges.",
            }
        ),
        "disclose": _nullable({"type": "boolean"}),
        "n": _nullable(_const(1)),
        "user": {},
        "metadata": {},
    }


def _merge() -> Schema:
    count = {"minItems": 2, "maxItems": ADAPTERS_MAX}
    weight = {"type": "number", "exclusiveMinimum": 0, "maximum": WEIGHT_PPB_MAX / PPB}
    return _request(
        ["method", "models", "weights"],
        method={"enum": ["linear", "ties"]},
        models={"type": "array", "items": _NAME} | count,
        weights={"type": "array", "items": weight} | count,
        density={"type": "number", "minimum": 0, "maximum": 1},
    ) | {"description": "Several adapters as one; a weight each."}


def _answers() -> Schema:
    number, text = {"type": "integer", "minimum": 0}, {"type": "string"}
    usage: Schema = {"prompt_tokens": number, "completion_tokens": number, "total_tokens": number}
    head: Schema = {"id": text, "created": number, "model": text, "usage": _object(**usage)}
    choice: Schema = {
        "index": number,
        "logprobs": {},
        "finish_reason": {"enum": ["stop", "length"]},
    }
    message = _object(role=_const("assistant"), content=text, refusal={"type": "null"})
    vector = {"anyOf": [text, {"type": "array", "items": {"type": "number"}}]}
    embedding = _object(object=_const("embedding"), index=number, embedding=vector)
    model: Schema = {
        "id": text,
        "object": _const("model"),
        "created": number,
        "owned_by": text,
        "root": text,
        "parent": _nullable(text),
    }
    return {
        "Chat": _answer(
            **head,
            object=_const("chat.completion"),
            choices=_one(_object(**choice, message=message)),
        ),
        "Text": _answer(
            **head, object=_const("text_completion"), choices=_one(_object(**choice, text=text))
        ),
        "Evidence": _evidence(),
        "Embeddings": _object(
            object=_const("list"),
            model=text,
            data={"type": "array", "items": embedding},
            usage=_object(prompt_tokens=number, total_tokens=number),
        ),
        "Model": _object(**model)
        | {"description": "`version` is the content hash of an adapter that was asked for alone."},
        "ModelList": _object(object=_const("list"), data={"type": "array", "items": _ref("Model")}),
        "Deleted": _object(id=text, object=_const("model"), deleted=_const(True)),
        "Error": _object(
            error=_object(message=text, type=text, param=_nullable(text), code=_nullable(text))
        ),
    }


def _answer(**properties: Schema) -> Schema:
    """OpenAI's answer with the fields that are not OpenAI's."""
    answer = _object(**properties, lane={"enum": list(LANES)})
    answer["properties"] |= {
        "version": {"type": "string", "description": "Content hash of the adapter."},
        "merge_shares_ppb": {"type": "object", "description": "Of a merge: whose it is."},
        "evidence": _ref("Evidence"),
    }
    return answer


def _evidence() -> Schema:
    digest: Schema = {"type": "string", "pattern": "^[0-9a-f]{64}$"}
    number: Schema = {"type": "integer", "minimum": 0}
    tokens: Schema = {"type": "array", "items": number}
    return _object(
        hash=digest,
        base_model=digest,
        adapter=_nullable(digest),
        prompt_tokens=tokens,
        tokens=tokens,
        states={"type": "array", "items": digest},
        temperature_ppb=number,
        seed={"type": "string", "pattern": "^[0-9]+$"},
    ) | {"description": "Of the lane `verifiable`: `openledger answer verify` checks it."}


def _operation(summary: str, answer: Schema, body: str = "", *, streams: bool = False) -> Schema:
    """A request that an API key may be needed for."""
    content: Schema = {"application/json": {"schema": answer}}
    if streams:
        content["text/event-stream"] = {"schema": {"type": "string"}}
    codes = {
        "400": "A field is wrong, and `param` names it.",
        "401": "No API key, or an unknown one.",
        "403": "The key is not an operator's.",
        "404": "No such model.",
        "422": "The model's adapter cannot be applied; asking again is of no use.",
        "429": "Too many requests, or the key's tokens of the day are spent.",
        "503": "The server cannot answer.",
    }
    if not body:
        del codes["400"], codes["403"], codes["422"]
    errors = {
        code: {"description": text, "content": {"application/json": {"schema": _ref("Error")}}}
        for code, text in codes.items()
    }
    request = {"required": True, "content": {"application/json": {"schema": _ref(body)}}}
    return {
        "summary": summary,
        **({"requestBody": request} if body else {}),
        "responses": {"200": {"description": "Done.", "content": content}, **errors},
    }


def _open(summary: str, answer: Schema) -> Schema:
    """A request that no API key is needed for."""
    content = {"application/json": {"schema": answer}}
    return {
        "summary": summary,
        "security": [],
        "responses": {"200": {"description": "Done.", "content": content}},
    }


def _request(required: list[str], **properties: Schema) -> Schema:
    """An object with no other fields than these."""
    return {
        "type": "object",
        "properties": properties,
        "required": required,
        "additionalProperties": False,
    }


def _object(**properties: Schema) -> Schema:
    """An object with all of these fields, and maybe others."""
    return {"type": "object", "properties": properties, "required": list(properties)}


def _one(item: Schema) -> Schema:
    return {"type": "array", "items": item, "minItems": 1, "maxItems": 1}


def _whole(least: int, most: int) -> Schema:
    return {"type": "integer", "minimum": least, "maximum": most}


def _const(value: object) -> Schema:
    return {"const": value}


def _nullable(schema: Schema) -> Schema:
    return {"anyOf": [schema, {"type": "null"}]}


def _ref(name: str) -> Schema:
    return {"$ref": f"#/components/schemas/{name}"}


if __name__ == "__main__":
    OPENAPI_FILE.write_text(encoded_document())
