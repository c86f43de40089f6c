"""From a question to token ids: chat template, time of each pair of frames, forced beginning of the answer."""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final

import numpy as np

from roboreward.core import FrameSample, UsageError
from roboreward.models.asking import Ask
from roboreward.models.qwen.checkpoint import Checkpoint
from roboreward.models.qwen.clips import Clip, Patch, make_clip

_PAD: Final = "<|video_pad|>"
_OPEN, _CLOSE = "<|vision_start|>", "<|vision_end|>"


@dataclass(frozen=True, eq=False)
class Layout:
    """A question as the model reads it.

    Attributes:
        ids: Token ids, with one placeholder for each token of a picture.
        runs: Where the tokens of each patch begin, and which patch it is, in order.
        clips: The clips, in the order in which they are shown.
    """

    ids: list[int]
    runs: list[tuple[int, Patch]]
    clips: tuple[Clip, ...]


class LayoutMaker:
    """Lays out questions for one checkpoint.

    Args:
        checkpoint: Its template, family and video settings.
        tokenizer: Its tokenizer.
        budget_frames: See `QwenConfig.budget_frames`.
    """

    def __init__(
        self, checkpoint: Checkpoint, tokenizer: Any, *, budget_frames: int | None = None
    ) -> None:
        self.checkpoint, self.tokenizer = checkpoint, tokenizer
        self.budget_frames = budget_frames
        self.pad_id: int = tokenizer.convert_tokens_to_ids(_PAD)
        added = sorted(map(str, tokenizer.get_added_vocab()), key=len, reverse=True)
        self._special = re.compile("|".join(map(re.escape, added)))

    def lay_out(
        self, ask: Ask, *, num_frames: int | None = None, budget: int | None = None
    ) -> Layout:
        """Return the layout of a question.

        Args:
            ask: The question.
            num_frames: Of each sample only so many frames from the start; None for all.
            budget: Frames that the pixel budget is shared by; None for what the settings say.

        Raises:
            UsageError: The frames cannot be shown, or the template does not show them.
        """
        samples = [part for part in ask.parts if isinstance(part, FrameSample)]
        clips = tuple(
            make_clip(
                sample,
                self.checkpoint.video,
                num_frames=num_frames,
                budget_frames=budget or self.budget_frames,
            )
            for sample in samples
        )
        text = self._with_times(self._rendered(ask.parts), clips) + ask.prefix
        return self._expand(self.encode(text), clips)

    def check_template(self) -> None:
        """Render a question, so that a template that cannot be used is known before the first one.

        Raises:
            UsageError: It does not show the texts, or not the video. What the template raises itself passes through.
        """
        sample = FrameSample.from_array(np.zeros((1, 32, 32, 3), np.uint8))
        rendered = self._rendered(("first text", sample, "second text"))
        self._pieces(rendered, 1)
        if not 0 <= rendered.find("first text") < rendered.find("second text"):
            raise UsageError(
                f"The chat template in {self.checkpoint.template_file} does not show the texts of a question. It is "
                "not the template of a model that is asked."
            )

    def encode(self, text: str) -> list[int]:
        """Return the token ids of a text, special tokens included."""
        ids: list[int] = self.tokenizer(text, add_special_tokens=False)["input_ids"]
        return ids

    def _rendered(self, parts: Sequence[str | FrameSample]) -> str:
        content = [
            {"type": "text", "text": self._plain(part)}
            if isinstance(part, str)
            else {"type": "video"}
            for part in parts
        ]
        rendered: str = self.tokenizer.apply_chat_template(
            [{"role": "user", "content": content}],
            chat_template=self.checkpoint.template,
            tokenize=False,
            add_generation_prompt=True,
        )
        return rendered

    def _plain(self, text: str) -> str:
        """Break what would be read as a token of the template: a text is never more than text."""
        return self._special.sub(lambda found: f"{found[0][0]} {found[0][1:]}", text)

    def _pieces(self, rendered: str, num_videos: int) -> list[str]:
        pieces = rendered.split(_PAD)
        if len(pieces) != num_videos + 1:
            raise UsageError(
                f"The chat template in {self.checkpoint.template_file} shows {len(pieces) - 1} videos of {num_videos}. "
                "It is not the template of a model that sees videos."
            )
        return pieces

    def _with_times(self, rendered: str, clips: Sequence[Clip]) -> str:
        pieces = self._pieces(rendered, len(clips))
        if self.checkpoint.family != "qwen3_vl":
            return rendered
        if not self.checkpoint.is_keeping_markers:
            pieces = [
                piece.removeprefix(_CLOSE if i else "").removesuffix(
                    _OPEN if i < len(clips) else ""
                )
                for i, piece in enumerate(pieces)
            ]
        shown = [
            "".join(f"<{time:.1f} seconds>{_OPEN}{_PAD}{_CLOSE}" for time in clip.times_s)
            for clip in clips
        ]
        return "".join(piece + video for piece, video in zip(pieces, [*shown, ""], strict=True))

    def _expand(self, ids: list[int], clips: Sequence[Clip]) -> Layout:
        """Put as many placeholders as a picture has tokens where one stands."""
        is_timed = self.checkpoint.family == "qwen3_vl"
        groups = iter(
            [
                ([patch] if is_timed else list(clip.patches), clip)
                for clip in clips
                for patch in (clip.patches if is_timed else clip.patches[:1])
            ]
        )
        full: list[int] = []
        runs: list[tuple[int, Patch]] = []
        for token in ids:
            if token != self.pad_id:
                full.append(token)
                continue
            patches, clip = next(groups)
            for patch in patches:
                runs.append((len(full), patch))
                full += [token] * clip.num_tokens
        return Layout(full, runs, tuple(clips))
