"""The demo goes from nothing to a page, without torch."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

CODE = """
import sys
from roboreward.cli import main
try:
    main(sys.argv[1:])
finally:
    assert "torch" not in sys.modules
"""


@pytest.mark.usefixtures("needs_nano")
def test_the_demo_writes_a_page_with_nano_beside_the_floors(tmp_path: Path) -> None:
    words = [sys.executable, "-c", CODE, "demo", "--episodes", "10", "--json", "--out", "report"]
    for _ in range(2):  # the second time, everything is found in place
        result = subprocess.run(
            words, cwd=tmp_path, capture_output=True, text=True, timeout=300, check=False
        )
        assert result.returncode == 0, result.stderr
    value = json.loads(result.stdout)
    models = {run["model"] for run in value["sets"][0]["runs"]}
    assert {"nano", "floor:constant-3", "floor:first-frame:nano"} <= models
    page = (tmp_path / value["page"]).read_text()
    assert "nano" in page
    assert 'src="http' not in page
