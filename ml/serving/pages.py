"""Keys and values of the past in pages, and whose page is whose.

Invariants:

- A page has at least one owner, or it is kept for its content alone (`cached`), or it is free.
- A page's content is known by a hash over the adapter's hash and all tokens up to its end, never by
  a name: an adapter that is uploaded again under the same name has other pages (vLLM #42125).
- Only whole pages of prompts are shared, and nobody writes to a shared page: a request computes at
  least the last token of its prompt itself, into a page of its own.
- A page that is not written as a whole at once is zeroed for its new owner: attention multiplies
  even what it masks, and the infinities that one adapter left must not reach another request.

Prior art: PagedAttention (Kwon et al. 2023); its prefix cache hashes blocks the same way.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Sequence
from itertools import takewhile

import torch

from ml.serving.base import BaseShape
from runtime.hashing import hasher

PAGE_TOKENS = 16
BLANK_PAGE = 0
"""Always zero: it fills the tables of short rows."""
IDLE_PAGE = 1
"""What the rows without request write to; nobody else reads it."""
_RESERVED_PAGES = 2

_hash_page = hasher(b"kv page")


def page_hashes(adapter: bytes | None, tokens: Sequence[int]) -> list[bytes]:
    """The content hash of each whole page of a prompt that another request could share."""
    hashes = []
    parent = adapter or bytes(32)
    for end in range(PAGE_TOKENS, len(tokens), PAGE_TOKENS):
        own = b"".join(token.to_bytes(4, "big") for token in tokens[end - PAGE_TOKENS : end])
        parent = _hash_page(parent + own)
        hashes.append(parent)
    return hashes


def page_count_of(tokens: int) -> int:
    """How many pages so many tokens take."""
    return -(-tokens // PAGE_TOKENS)


class PageTable:
    """Who owns which page; used by the stepping thread alone."""

    def __init__(self, page_count: int) -> None:
        """All `page_count` pages are free; their indices begin behind the reserved ones."""
        end = _RESERVED_PAGES + page_count
        self._free = list(range(end - 1, _RESERVED_PAGES - 1, -1))
        self._owners = [0] * end
        self._hashes: list[bytes | None] = [None] * end
        self._by_hash: dict[bytes, int] = {}
        self._cached: OrderedDict[int, None] = OrderedDict()

    @property
    def available_count(self) -> int:
        """Pages that can be given out now."""
        return len(self._free) + len(self._cached)

    def share(self, hashes: Sequence[bytes], multiple: int) -> list[int]:
        """Own the pages of the longest known beginning of `hashes` too, a `multiple` of pages."""
        known = list(takewhile(lambda page: page is not None, map(self._by_hash.get, hashes)))
        pages = [page for page in known[: len(known) // multiple * multiple] if page is not None]
        for page in pages:
            self._cached.pop(page, None)
            self._owners[page] += 1
        return pages

    def allocate(self, count: int) -> list[int] | None:
        """Own `count` new pages, or None if there are not as many; drops the oldest content."""
        if count > self.available_count:
            return None
        pages = []
        for _ in range(count):
            page = self._free.pop() if self._free else self._forget_oldest()
            self._owners[page] = 1
            pages.append(page)
        return pages

    def publish(self, page: int, content: bytes) -> None:
        """Let others share an owned page whose content is complete."""
        if content not in self._by_hash and self._hashes[page] is None:
            self._by_hash[content] = page
            self._hashes[page] = content

    def release(self, pages: Sequence[int]) -> None:
        """Own these pages no longer; content that others may share is kept while there is room."""
        # The end of a prompt is of use only with its beginning, so it is the first to be dropped.
        for page in reversed(pages):
            self._owners[page] -= 1
            if self._owners[page]:
                continue
            if self._hashes[page] is None:
                self._free.append(page)
            else:
                self._cached[page] = None

    def _forget_oldest(self) -> int:
        page, _ = self._cached.popitem(last=False)
        content, self._hashes[page] = self._hashes[page], None
        if content is not None:
            del self._by_hash[content]
        return page


class KeyValuePages:
    """The numbers: keys and values of all layers, page by page."""

    def __init__(self, shape: BaseShape, page_count: int, device: torch.device) -> None:
        """Reserve the pages; the machine hands out their memory as they are first written."""
        self._heads, self._head_width = shape.key_value_head_count, shape.head_width
        self._token_width = 2 * self._heads * self._head_width
        # One read buffer for all layers: fresh memory for each would cost page faults each step.
        self._window = torch.empty(0, device=device)
        tokens = (_RESERVED_PAGES + page_count) * PAGE_TOKENS
        self._layers = [
            torch.empty(tokens, self._token_width, device=device) for _ in range(shape.layer_count)
        ]
        self.clear([BLANK_PAGE, IDLE_PAGE])

    def clear(self, pages: Sequence[int]) -> None:
        """Zero these pages for their new owner."""
        index = torch.tensor(pages, dtype=torch.int64, device=self._layers[0].device)
        for numbers in self._layers:
            numbers.view(-1, PAGE_TOKENS * self._token_width).index_fill_(0, index, 0.0)

    def write(self, layer: int, places: torch.Tensor, key_values: torch.Tensor) -> None:
        """Store `key_values` [rows * tokens, 2 * heads * width] at token indices `places`."""
        self._layers[layer].index_copy_(0, places, key_values)

    def read(self, layer: int, pages: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        """Keys and values [rows, heads, tokens, width] of `pages` [rows, pages of each].

        They are views of one buffer, valid until the next call.
        """
        rows, count = pages.shape
        numbers = PAGE_TOKENS * self._token_width
        size = rows * count * numbers
        if self._window.numel() < size:
            self._window = torch.empty(size, device=self._window.device)
        window = self._window[:size].view(rows * count, numbers)
        source = self._layers[layer].view(-1, numbers)
        torch.index_select(source, 0, pages.reshape(-1), out=window)
        both = window.view(rows, count * PAGE_TOKENS, 2, self._heads, self._head_width)
        return both[:, :, 0].transpose(1, 2), both[:, :, 1].transpose(1, 2)
