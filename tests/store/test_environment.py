"""What a run says of where it ran."""

from pathlib import Path

from roboreward.store import commit_of, environment


def test_the_environment_names_versions_but_no_place_or_person() -> None:
    found = environment()
    assert {"python", "numpy", "roboreward", "platform"} <= set(found)
    assert not any("/" in value for value in found.values())


def test_a_package_that_is_not_installed_is_unknown() -> None:
    assert environment(["no-such-package-here"])["no-such-package-here"] == "unknown"


def test_a_folder_outside_of_any_checkout_has_no_commit(tmp_path: Path) -> None:
    assert commit_of(tmp_path) is None
    assert commit_of(tmp_path / "missing") is None
