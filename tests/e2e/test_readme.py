"""What README shows works as it is written."""

import re
import subprocess
import sys
from pathlib import Path

import pytest

README = Path(__file__).resolve().parents[2] / "README.md"


@pytest.mark.usefixtures("needs_nano")
def test_the_python_of_the_readme_runs(video: Path) -> None:
    (code,) = re.findall(r"```python\n(.*?)```", README.read_text(), re.DOTALL)
    assert len([line for line in code.splitlines() if line.strip()]) <= 6
    video.rename(video.with_name("attempt.mp4"))
    result = subprocess.run(
        [sys.executable, "-W", "error", "-c", code],
        cwd=video.parent,
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert result.returncode == 0, result.stderr
    assert result.stdout.startswith(("abstained None", "scored "))


@pytest.mark.slow
@pytest.mark.usefixtures("needs_nano")
def test_the_python_of_the_page_about_rewards_in_the_loop_runs(tmp_path: Path) -> None:
    text = (README.parent / "docs" / "rl.md").read_text()
    code = "\n".join(re.findall(r"```python\n(.*?)```", text, re.DOTALL))
    result = subprocess.run(
        [sys.executable, "-W", "error", "-c", code],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )
    assert result.returncode == 0, result.stderr
    assert len(result.stdout.splitlines()) > 4


def test_every_link_of_the_documents_leads_somewhere() -> None:
    root = README.parent
    for document in [*root.glob("*.md"), *root.glob("docs/*.md")]:
        for link in re.findall(r"\]\(([^)#]+)", document.read_text()):
            if not link.startswith("http"):
                assert (document.parent / link).exists(), f"{document.name} links to {link}"
