"""Every kind of reward model in one command and one table. The figures say that all of it runs, not how good it is.

    python benchmarks/every_model.py [--set sim-test --limit 40] [--set FOLDER] [--out runs-of-every-model]

Needs the extras vlm, api and vlm-tests. Trained are nano only and the floors made from it. The local vision-language
model has random weights (the real architecture of Qwen3-VL in small, with the real vocabulary), and the providers are a
server on loopback that answers by a fixed rule: what they score is chance. The command that it runs is printed.
"""

import argparse
import os
import re
import subprocess
import sys
import tempfile
from hashlib import sha256
from pathlib import Path
from typing import Any

from roboreward.testing.fake_provider import FakeProvider, SeenRequest, fake_key
from roboreward.testing.tiny_vlm import write_tiny_vlm

KEYS = {"openai": "OPENAI_API_KEY", "gemini": "GEMINI_API_KEY", "anthropic": "ANTHROPIC_API_KEY"}


def answer(request: SeenRequest) -> str:
    """Say what a model might: percentages where frames are numbered, else a score that the request alone decides."""
    texts = list(texts_in(request.body))
    frames = [number for text in texts for number in re.findall(r"^Frame (\d+):", text, re.M)]
    drawn = sha256(repr(request.body).encode()).digest()
    if frames:
        return "\n".join(f"Frame {number}: {drawn[int(number) % 32] % 101}%" for number in frames)
    return f"ANSWER: {1 + drawn[0] % 5}"


def texts_in(value: Any) -> list[str]:
    """Return all texts in a request, in order."""
    if isinstance(value, str):
        return [value]
    if isinstance(value, dict):
        return [text for inner in value.values() for text in texts_in(inner)]
    if isinstance(value, list):
        return [text for inner in value for text in texts_in(inner)]
    return []


def models_with(tiny: Path) -> list[str]:
    """Return what is run; the floors of constants, labels, text and first frame come by themselves."""
    floors = [f"floor:{name}" for name in ("last-frame", "frozen", "shuffled", "reversed")]
    providers = ["openai:fake-mini", "gemini:fake-flash", "anthropic:fake-sonnet"]
    methods = [f"topreward:qwen:{tiny}", "gvl:openai:fake-mini", "verifier:openai:fake-mini"]
    return ["nano", "calibrated:nano", f"qwen:{tiny}", *providers, *methods, *floors]


def main() -> None:
    """Run the command."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--set", dest="sets", action="append", help="sim-test, or a folder")
    parser.add_argument("--limit", type=int, default=40)
    parser.add_argument("--out", type=Path, default=Path("runs-of-every-model"))
    args = parser.parse_args()
    with tempfile.TemporaryDirectory() as temporary, FakeProvider(answer=answer) as provider:
        tiny = write_tiny_vlm(Path(temporary) / "tiny-qwen3-vl")
        places = {"openai": f"{provider.url}/v1"} | dict.fromkeys(
            ("gemini", "anthropic"), provider.url
        )
        keys = {variable: fake_key(scheme) for scheme, variable in KEYS.items()}
        for name in args.sets or ["sim-test"]:
            command = ["bench", "run", "--set", name, "--limit", str(args.limit), "--no-ledger"]
            command += ["--out", str(args.out / Path(name).name)]
            command += [word for uri in models_with(tiny) for word in ("--model", uri)]
            command += [w for s, url in places.items() for w in ("--base-url", f"{s}={url}")]
            print("roboreward", *command, flush=True)
            asked = [str(Path(sys.executable).with_name("roboreward")), *command]
            subprocess.run(asked, check=False, env=os.environ | keys)


if __name__ == "__main__":
    main()
