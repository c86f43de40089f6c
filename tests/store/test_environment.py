"""What a run says of where it ran."""

import subprocess
from pathlib import Path

from roboreward.store import commit_of, environment


def test_the_environment_names_versions_but_no_place_or_person() -> None:
    found = environment()
    assert {"python", "numpy", "roboreward", "platform"} <= set(found)
    assert not any("/" in value for value in found.values())


def test_a_package_that_is_not_installed_is_unknown() -> None:
    assert environment(["no-such-package-here"])["no-such-package-here"] == "unknown"


def test_a_file_outside_of_any_checkout_has_no_commit(tmp_path: Path) -> None:
    (tmp_path / "code.py").write_text("")
    assert commit_of(tmp_path / "code.py") is None
    assert commit_of(tmp_path / "missing" / "code.py") is None


def test_only_files_that_git_tracks_have_the_commit_of_their_checkout(tmp_path: Path) -> None:
    def git(*command: str) -> str:
        who = ("-c", "user.name=a", "-c", "user.email=a@b")
        done = subprocess.run(
            ["git", "-C", str(tmp_path), *who, *command], capture_output=True, text=True, check=True
        )
        return done.stdout.strip()

    git("init", "-q")
    (tmp_path / "ours.py").write_text("")
    git("add", "ours.py")
    git("commit", "-qm", "one")
    (tmp_path / "stranger.py").write_text("")
    commit = git("rev-parse", "--short", "HEAD")
    assert commit_of(tmp_path / "ours.py") == commit
    assert commit_of(tmp_path / "stranger.py") is None
    (tmp_path / "ours.py").write_text("changed")
    assert commit_of(tmp_path / "ours.py") == f"{commit}-dirty"
