"""`openledger chat MODEL`: talk to a model in the terminal; its price, and where it is from."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from typing import TYPE_CHECKING, Annotated

import typer

from node.cli.output import DEFAULT_NODE_URL, JsonFlag, NodeUrl, print_json

if TYPE_CHECKING:
    from node.chat import ChatEnding

DEFAULT_API_URL = "http://127.0.0.1:8000"
TURNS_MAX = 64
"""Of a conversation that the model is shown; earlier ones are forgotten."""
Model = Annotated[str, typer.Argument(help="A name or hash in GET /v1/models.", metavar="MODEL")]
ApiUrl = Annotated[str, typer.Option("--api", help="URL of the server.", metavar="URL")]
ApiKey = Annotated[
    str, typer.Option("--api-key", envvar="OPENLEDGER_API_KEY", help="The server's API key.")
]
Prompt = Annotated[
    str, typer.Option(help="Ask this alone; else line by line until the input ends.")
]
TokensMax = Annotated[int, typer.Option(help="The longest answer.", min=1)]


def chat(
    model: Model,
    api: ApiUrl = DEFAULT_API_URL,
    api_key: ApiKey = "",
    prompt: Prompt = "",
    max_tokens: TokensMax = 256,
    node: NodeUrl = DEFAULT_NODE_URL,
    as_json: JsonFlag = False,
) -> None:
    """Talk to a model: answers appear as they are written, then their price and their sources.

    Sources are what the chain says the model was trained on, if --node is a node of it.

    Example: openledger chat MODEL --prompt 'What is a list?'
    """
    from ml.serving.chat import Message
    from node.chat import stream_chat

    sources = _sources(model, node)
    messages: list[Message] = []
    for question in [prompt] if prompt else _questions():
        messages.append(Message("user", question))
        text = ""
        for piece in stream_chat(api, api_key, model, messages, max_tokens):
            if isinstance(piece, str):
                text += piece
                if not as_json:
                    print(piece, end="", flush=True)
            elif as_json:
                print_json({"answer": text, **_fields(piece), "sources": sources})
            else:
                print(f"\n[{_summary(piece, sources)}]")
        messages = [*messages, Message("assistant", text)][-2 * TURNS_MAX :]


def _questions() -> Iterator[str]:
    """The lines of the input; a terminal is shown where to write."""
    is_terminal = sys.stdin.isatty()
    while True:
        if is_terminal:
            print("> ", end="", file=sys.stderr, flush=True)
        line = sys.stdin.readline()
        if not line:
            return
        if line.strip():
            yield line.strip()


def _sources(model: str, node: str) -> list[str]:
    """What the model was trained on; nothing where no chain knows it."""
    from node.client import NodeClient
    from node.errors import ClientError, NodeError
    from node.lineage import lineage_of

    try:
        model_hash = bytes.fromhex(model)
        with NodeClient(node) as client:
            return [str(source) for source in lineage_of(client, model_hash).sources]
    except (ValueError, ClientError, NodeError):
        return []


def _fields(ending: ChatEnding) -> dict[str, object]:
    return {
        "prompt_tokens": ending.prompt_tokens,
        "output_tokens": ending.output_tokens,
        "fee": ending.fee,
        "receipt": ending.receipt,
    }


def _summary(ending: ChatEnding, sources: list[str]) -> str:
    """What an answer took, in one line."""
    from runtime.types import OPEN

    parts = [f"{ending.prompt_tokens} tokens in, {ending.output_tokens} out"]
    if ending.fee is not None:
        parts.append(f"{ending.fee / OPEN:.6f} OPEN, receipt {ending.receipt[:16]}")
    if sources:
        parts.append(f"trained on {', '.join(sources)}")
    return "; ".join(parts)
