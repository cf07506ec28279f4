"""docs/reference: the pages of the pallets are what the runtime says of itself."""

from __future__ import annotations

import pytest

from genesis.parameters import built_in_parameters
from genesis.reference import DIRECTORY, pages

PAGES = pages()


@pytest.mark.parametrize("path", sorted(PAGES), ids=lambda path: path.stem)
def test_a_page_is_what_its_tool_writes(path) -> None:
    """`python -m genesis.metadata_lock` writes it anew after a change of the runtime."""
    assert path.read_text(encoding="utf-8") == PAGES[path]


def test_no_page_is_left_of_a_pallet_that_is_gone() -> None:
    """And every pallet has its README."""
    assert set((DIRECTORY / "pallets").glob("*.md")) <= set(PAGES)
    for path in PAGES:
        if path.parent.name == "pallets" and path.stem != "README":
            assert (DIRECTORY.parents[1] / "pallets" / path.stem / "README.md").exists()


def test_every_parameter_is_on_the_page() -> None:
    """With its default, its bounds and its sentence."""
    text = PAGES[DIRECTORY / "parameters.md"]
    for (pallet, name), parameter in built_in_parameters().items():
        assert f"`{pallet}.{name}`" in text
        assert parameter.documentation in text
