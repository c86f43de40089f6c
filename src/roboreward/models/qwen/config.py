"""The settings of a local vision-language model."""

from typing import Any, Final, Literal

from pydantic import BaseModel, ConfigDict, Field

IDENTITY: Final[dict[str, Any]] = {"role": "identity"}
TRANSPORT: Final[dict[str, Any]] = {"role": "transport"}

Attention = Literal["sdpa", "eager", "flash_attention_2"]
Dtype = Literal["auto", "float32", "bfloat16", "float16"]
Quantization = Literal["none", "8bit", "4bit"]
Markers = Literal["auto", "drop", "keep"]


class QwenConfig(BaseModel):
    """How a checkpoint is loaded and shown its frames.

    The kind of device is transport, though bfloat16 on another device moves probabilities in their third decimal.

    Attributes:
        dtype: Of weights and arithmetic; "auto" is what the checkpoint says.
        attention: The kernel. Another kernel alone has been seen to move scores, so it is part of the identity.
        quantization: Weights in 8 or 4 bits, by bitsandbytes, on a GPU.
        adapter: A folder with a LoRA adapter, or None.
        min_pixels, max_pixels: Budget of the video processor; None for what the checkpoint says. Of all frames of a
            video together for Qwen3-VL, of one frame for Qwen2.5-VL.
        cap_pixels_per_frame: Whether one frame is also kept under 768 tokens, as the family's own loader does it; None
            for what the checkpoint says, and False where it says nothing, as when the checkpoints were trained.
        budget_frames: The number of frames that the pixel budget is shared by; None for the number that is shown.
            With a fixed number a frame has the same size in any clip.
        markers: Whether the vision markers that the chat template puts around a whole video stay around the frames,
            each of which has markers of its own. transformers dropped them until 5.9 and keeps them since 5.10, so
            "auto" asks which version wrote the checkpoint.
        device: "auto" (a GPU where there is one), "cpu", "cuda", "cuda:1", "mps", or "spread" over all GPUs.
        allow_download: Whether files that are missing may be fetched from the hub.
        batch_tokens: Most tokens of a batch, padding included; bounds the memory.
        is_sharing: Whether questions on one video share their work. False to measure what that saves.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    dtype: Dtype = Field(default="auto", json_schema_extra=IDENTITY)
    attention: Attention = Field(default="sdpa", json_schema_extra=IDENTITY)
    quantization: Quantization = Field(default="none", json_schema_extra=IDENTITY)
    adapter: str | None = Field(default=None, json_schema_extra=IDENTITY)
    min_pixels: int | None = Field(default=None, ge=1, json_schema_extra=IDENTITY)
    max_pixels: int | None = Field(default=None, ge=1, json_schema_extra=IDENTITY)
    cap_pixels_per_frame: bool | None = Field(default=None, json_schema_extra=IDENTITY)
    budget_frames: int | None = Field(default=None, ge=1, json_schema_extra=IDENTITY)
    markers: Markers = Field(default="auto", json_schema_extra=IDENTITY)
    device: str = Field(
        default="auto",
        pattern=r"^(auto|spread|cpu|mps|cuda(:\d+)?)$",
        json_schema_extra=TRANSPORT,
    )
    allow_download: bool = Field(default=False, json_schema_extra=TRANSPORT)
    batch_tokens: int = Field(default=16_384, ge=1, json_schema_extra=TRANSPORT)
    is_sharing: bool = Field(default=True, json_schema_extra=TRANSPORT)
