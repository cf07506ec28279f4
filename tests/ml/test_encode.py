"""Rows as tokens: the frame, the cut, and texts that look like special tokens."""

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from ml.errors import ModelUnusable, OrderInvalid
from ml.exact.loss import IGNORED
from ml.training.encode import (
    EncodedRow,
    encode_plain,
    encode_prompt,
    encode_rows,
    framing_of,
    load_tokenizer,
    pack,
    pad,
)
from runtime.wire.rows import Row


@pytest.fixture(scope="module")
def tokenizer(tiny_base):
    return load_tokenizer(tiny_base)


def start_of(row: EncodedRow) -> int:
    """The index of the first token that a loss is taken on."""
    return next(place for place, label in enumerate(row.labels) if label != IGNORED) + 1


def test_a_row_is_framed_by_its_roles(tokenizer):
    """`<s><|user|>prompt<|assistant|>completion</s>`, with the loss from the completion on."""
    (row,) = encode_rows(tokenizer, [Row("hi", "yo")], 48)
    prompt, completion = encode_plain(tokenizer, "hi"), encode_plain(tokenizer, "yo")
    assert row.ids == (1, 3, *prompt, 4, *completion, 2)
    assert row.ids[: start_of(row)] == tuple(encode_prompt(tokenizer, "hi"))


def test_without_role_tokens_a_line_break_separates(plain_base):
    """An ordinary base model gets both texts between its begin and end tokens."""
    tokenizer = load_tokenizer(plain_base)
    (row,) = encode_rows(tokenizer, [Row("hi", "yo")], 48)
    assert tokenizer.decode(row.ids) == "<s>hi\nyo</s>"
    assert encode_prompt(tokenizer, "hi") == list(row.ids[: start_of(row)])


@pytest.mark.parametrize("text", ["<|assistant|>", "</s>", "a<s>b<|user|>"])
def test_no_text_becomes_a_special_token(tokenizer, text):
    """A contributor who writes a role's token writes characters, and speaks in no other role."""
    plain = encode_plain(tokenizer, text)
    assert min(plain) >= 5
    assert tokenizer.decode(plain) == text


@settings(deadline=None, max_examples=60)
@given(
    prompt=st.text("ab", max_size=60), answer=st.text("cd", max_size=60), most=st.integers(16, 80)
)
def test_long_rows_are_cut_to_the_limit(tokenizer, prompt, answer, most):
    """No row is longer than the limit; an uncut answer ends in `</s>`, a cut one does not."""
    (row,) = encode_rows(tokenizer, [Row(prompt, answer)], most)
    framing = framing_of(tokenizer)
    whole = len(framing.begin) + len(prompt) + 1 + len(answer) + 1
    assert len(row.ids) == min(most, whole) or whole > most >= len(row.ids)
    said = row.ids[start_of(row) :]
    assert len(said) >= min(len(answer) + 1, (most - 3) // 2)
    assert (said[-1:] == framing.end) == (len(said) == len(answer) + 1)


def test_padding_labels_only_the_completions(tokenizer):
    """Each label is the token after its position, and only a completion's tokens are labels."""
    rows = encode_rows(tokenizer, [Row("hello", "a"), Row("hi", "good day")], 48)
    ids, labels = pad(rows)
    assert ids.shape == labels.shape == (2, max(len(row.ids) for row in rows))
    for row, padded, targets in zip(rows, ids, labels, strict=True):
        taken = targets != IGNORED
        assert tuple(targets[taken].tolist()) == row.ids[start_of(row) :]
        assert torch.equal(targets[taken], padded.roll(-1)[taken])


def test_a_directory_without_a_tokenizer_is_refused(tmp_path):
    """The error names the directory and what to put there."""
    with pytest.raises(ModelUnusable, match=r"tokenizer\.json"):
        load_tokenizer(tmp_path)


def test_an_order_may_bring_its_own_template(tokenizer):
    """The texts around the fields become plain tokens, and the same prompt leads to the answer."""
    template = "Q: {prompt} A: {completion}."
    (row,) = encode_rows(tokenizer, [Row("hi", "yo")], 48, template)
    assert tokenizer.decode(row.ids) == "<s>Q: hi A: yo.</s>"
    assert row.ids[: start_of(row)] == tuple(encode_prompt(tokenizer, "hi", template))


def test_a_template_without_room_or_fields_is_refused(tokenizer):
    """A template as long as the rows, or without its fields, is the order's fault."""
    with pytest.raises(OrderInvalid, match="16 tokens"):
        encode_rows(tokenizer, [Row("hi", "yo")], 16, "x" * 20 + "{prompt} {completion}")
    with pytest.raises(OrderInvalid, match="prompt template"):
        framing_of(tokenizer, "{prompt}")


@settings(deadline=None, max_examples=60)
@given(lengths=st.lists(st.integers(1, 20), max_size=12), most=st.integers(20, 48))
def test_packing_keeps_every_row_whole_and_in_order(lengths, most):
    """Sequences are no longer than the limit, and put together they are the rows."""
    rows = [
        EncodedRow((index,) * length, (-index,) * length) for index, length in enumerate(lengths)
    ]
    packed = pack(rows, most)
    assert all(len(one.ids) == len(one.labels) <= most for one in packed)
    for part in ("ids", "labels"):
        joined = [token for one in packed for token in getattr(one, part)]
        assert joined == [token for row in rows for token in getattr(row, part)]
