"""`roboreward models`."""

import json

from click.testing import CliRunner

from roboreward.cli import main


def test_every_model_is_listed_with_what_it_is() -> None:
    result = CliRunner().invoke(main, ["models", "--json"])
    assert result.exit_code == 0, result.output
    found = {model["name"]: model for model in json.loads(result.stdout)}
    assert {"nano", "floor:constant-3"} <= set(found)
    assert all(model["summary"] for model in found.values())
    assert all(model["hint"] for model in found.values() if not model["is_usable"])


def test_a_person_sees_the_same_names() -> None:
    names = [
        model["name"] for model in json.loads(CliRunner().invoke(main, ["models", "--json"]).stdout)
    ]
    text = CliRunner().invoke(main, ["models"]).stdout
    assert all(name in text for name in names)
