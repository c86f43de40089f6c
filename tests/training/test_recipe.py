"""Recipes are complete, typed, and refuse what they do not know."""

from pathlib import Path

import pytest

from roboreward.core import UsageError, role_of
from roboreward.training import NanoRecipe, read_recipe

RECIPE = Path(__file__).parents[2] / "recipes" / "nano.toml"


def test_every_field_says_whether_it_can_change_a_number() -> None:
    for name, field in NanoRecipe.model_fields.items():
        role_of(name, field)


def test_transport_fields_do_not_change_the_hash_and_others_do() -> None:
    recipe = read_recipe(RECIPE)
    assert recipe.model_copy(update={"num_workers": 7}).recipe_hash == recipe.recipe_hash
    assert recipe.model_copy(update={"seed": 7}).recipe_hash != recipe.recipe_hash


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (("seed = 0", "sede = 0"), "sede"),
        (("success = 0.10", "success = 0.60"), "add up to 1.5"),
        (("num_val = 300", "num_val = 0"), "num_val"),
        (("num_two_task = 800", "num_two_task = 0"), "num_two_task is 0"),
        (('kind = "nano"', 'kind = "giant"'), "giant"),
        (('kind = "nano"', "kind = "), "not TOML"),
    ],
)
def test_a_wrong_recipe_is_refused_with_the_file_and_the_field(
    change: tuple[str, str], message: str, tmp_path: Path
) -> None:
    path = tmp_path / "bad.toml"
    path.write_text(RECIPE.read_text().replace(*change))
    with pytest.raises(UsageError, match=message) as caught:
        read_recipe(path)
    assert str(path) in str(caught.value)


def test_a_missing_recipe_is_refused_by_name(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match=r"Cannot read the recipe .*none\.toml"):
        read_recipe(tmp_path / "none.toml")
