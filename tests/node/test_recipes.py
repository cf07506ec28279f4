"""Recipes: what a person writes becomes exactly the parameters on chain, or an error by name."""

import dataclasses

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ml.errors import OrderInvalid
from ml.training.recipe import default_training_parameters
from node.errors import ConfigError
from node.workers.recipes import parse_recipe, render_recipe
from runtime.wire.training_parameters import Schedule

DEFAULT = default_training_parameters(1_000)


def test_an_empty_recipe_is_the_default():
    """What is left out is the default's for so many rows."""
    assert parse_recipe("", 1_000) == DEFAULT


@given(
    rate=st.integers(1, 10**9),
    schedule=st.sampled_from(Schedule),
    packing=st.booleans(),
    around=st.text(st.characters(codec="ascii", exclude_characters="{}\x00"), max_size=20),
)
def test_a_recipe_says_exactly_its_parameters(rate, schedule, packing, around):
    """Whatever was rendered parses to the same billionths, texts and choices."""
    parameters = dataclasses.replace(
        DEFAULT,
        learning_rate_ppb=rate,
        schedule=schedule,
        packing=packing,
        prompt_template=around + "{prompt}" + around + "{completion}",
    )
    if all(each.isprintable() or each in "\n\t\r" for each in around):
        assert parse_recipe(render_recipe(parameters), 1_000) == parameters


def test_epochs_are_steps_over_the_rows():
    """Three passes over 1,000 rows in batches of 100 are 30 steps."""
    parsed = parse_recipe("epochs = 3\nbatch_rows = 100\nwarmup_steps = 0", 1_000)
    assert parsed.steps == 30


@pytest.mark.parametrize(
    ("text", "error", "named"),
    [
        ("learning_rate = 0.1234567891", ConfigError, "9 decimals"),
        ("learning_rate = true", ConfigError, "learning_rate is True"),
        ("learning_rate = 2", OrderInvalid, "learning_rate_ppb"),
        ("rank = 12", OrderInvalid, "rank is 12"),
        ("rank = 8.5", ConfigError, "rank is"),
        ("epochs = -1", ConfigError, "epochs is -1"),
        ("epochs = 0", OrderInvalid, "steps is 0"),
        ("epoch = 3", ConfigError, "no entry epoch"),
        ('schedule = "steep"', ConfigError, "schedule is 'steep'"),
        ("packing = 1", ConfigError, "packing is 1"),
        ("prompt_template = 5", ConfigError, "prompt_template is 5"),
        ('target_modules = ["q"]', OrderInvalid, "target modules"),
        ("target_modules = 5", ConfigError, "target_modules is 5"),
        ("learning_rate 5", ConfigError, "not TOML"),
    ],
)
def test_a_bad_value_is_named_with_what_to_write(text, error, named):
    """Unknown entries, wrong kinds and values out of bounds are errors with a remedy."""
    with pytest.raises(error) as caught:
        parse_recipe(text, 1_000)
    assert named in f"{caught.value.message} {caught.value.remedy}"
    assert caught.value.remedy
