"""A conversation as tokens, by the chat template of the base model's tokenizer.

The template is a program that comes with the model; transformers runs it in Jinja's sandbox.  A
text never becomes a special token: "<|im_end|>" inside a message is ten ordinary characters, so
nobody speaks in another role.  A conversation without such texts has exactly the tokens that
transformers gives it; one with them is rendered around its texts, which are encoded apart.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from ml.serving.errors import RequestRefused
from ml.training.encode import encode_plain

_MARK = "\ue000{}\ue001"
"""Stands for a text while the template is rendered; of characters that are nobody's."""
_MARKS = re.compile("\ue000([0-9]+)\ue001")


@dataclass(frozen=True, slots=True)
class Message:
    """What somebody has said in a conversation."""

    role: str
    text: str


def last_question(messages: Sequence[Message]) -> str:
    """The text of the last message of the user that is not blank; empty without one."""
    asked = (each.text for each in reversed(messages) if each.role == "user")
    return next((text for text in asked if text.strip()), "")


class ChatTemplate:
    """The chat template of one tokenizer, if it has one."""

    def __init__(self, tokenizer: Any) -> None:
        """Use the template that `tokenizer` was saved with."""
        self._tokenizer = tokenizer
        self._special = tuple({*tokenizer.all_special_tokens, *tokenizer.get_added_vocab()})

    @property
    def exists(self) -> bool:
        """Whether there is one."""
        return bool(self._tokenizer.chat_template)

    def encode(self, messages: Sequence[Message]) -> tuple[int, ...]:
        """The tokens up to where the assistant begins; raises `RequestRefused`."""
        texts = [message.text for message in messages]
        if any(special in text for text in texts for special in self._special):
            marks = [_MARK.format(number) for number in range(len(texts))]
            return self._encode_apart(self._render(messages, marks), texts)
        return tuple(self._encode(self._render(messages, texts)))

    def _encode_apart(self, rendered: str, texts: Sequence[str]) -> tuple[int, ...]:
        tokens: list[int] = []
        for place, part in enumerate(_MARKS.split(rendered)):
            if place % 2:
                tokens += encode_plain(self._tokenizer, texts[int(part)])
            else:
                tokens += self._encode(part)
        return tuple(tokens)

    def _encode(self, text: str) -> list[int]:
        ids: list[int] = self._tokenizer(text, add_special_tokens=False)["input_ids"]
        return ids

    def _render(self, messages: Sequence[Message], texts: Sequence[str]) -> str:
        roles = ["system" if each.role == "developer" else each.role for each in messages]
        conversation = [
            {"role": role, "content": text} for role, text in zip(roles, texts, strict=True)
        ]
        try:
            rendered: str = self._tokenizer.apply_chat_template(
                conversation, tokenize=False, add_generation_prompt=True
            )
        except Exception as error:
            # Templates refuse with errors of their own, such as for roles that do not alternate.
            raise RequestRefused(
                f"The model's chat template does not take these messages: {error}",
                remedy="Send the roles that the model knows, in the order that it knows.",
                parameter="messages",
            ) from error
        return rendered
