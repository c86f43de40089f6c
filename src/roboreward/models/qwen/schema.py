"""What is read of a checkpoint's files, with its types: one sentence with file and field where something is wrong."""

import json
from pathlib import Path
from typing import Annotated, Any, Final, Literal, TypeVar

from pydantic import BaseModel, ConfigDict, Field, TypeAdapter, ValidationError

from roboreward.core import UsageError, shorten

Count = Annotated[int, Field(ge=1)]
TokenId = Annotated[int, Field(ge=0)]
Channels = Annotated[list[float], Field(min_length=3, max_length=3)]
Deviations = Annotated[list[Annotated[float, Field(gt=0)]], Field(min_length=3, max_length=3)]
WeightDtype = Literal["float32", "bfloat16", "float16", "float64"]


class _Part(BaseModel):
    """Fields that nobody here reads may be anything."""

    model_config = ConfigDict(frozen=True, extra="ignore", strict=True, allow_inf_nan=False)


class TextPart(_Part):
    """The language model."""

    vocab_size: Count | None = None
    hidden_size: Count | None = None
    num_hidden_layers: Count | None = None
    num_attention_heads: Count | None = None
    num_key_value_heads: Count | None = None
    dtype: WeightDtype | None = None
    torch_dtype: WeightDtype | None = None


class VisionPart(_Part):
    """The vision tower."""

    hidden_size: Count | None = None
    num_heads: Count | None = None
    patch_size: Count | None = None
    spatial_merge_size: Count | None = None
    temporal_patch_size: Count | None = None


class ModelFile(TextPart):
    """config.json. Older ones have the language model's fields on top."""

    model_type: str = ""
    text_config: TextPart | None = None
    vision_config: VisionPart | None = None
    video_token_id: TokenId | None = None
    image_token_id: TokenId | None = None
    vision_start_token_id: TokenId | None = None
    transformers_version: str | None = None
    auto_map: Any = None

    @property
    def text(self) -> TextPart:
        """The language model's part, wherever it stands."""
        return self.text_config or self


class VideoFile(_Part):
    """The video processor's settings."""

    class Size(_Part):
        """A budget of pixels."""

        shortest_edge: Count | None = None
        longest_edge: Count | None = None

    size: Size | None = None
    min_pixels: Count | None = None
    max_pixels: Count | None = None
    patch_size: Count | None = None
    merge_size: Count | None = None
    temporal_patch_size: Count | None = None
    image_mean: Channels | None = None
    image_std: Deviations | None = None
    cap_pixels_per_frame: bool | None = None
    max_video_tokens: Count | None = None


class ProcessorFile(_Part):
    """processor_config.json."""

    video_processor: dict[str, Any] | None = None


class TokenizerFile(_Part):
    """tokenizer.json."""

    class Added(_Part):
        """A token beside the vocabulary."""

        id: TokenId
        content: str

    class Model(_Part):
        """The vocabulary."""

        vocab: dict[str, TokenId]

    model: Model
    added_tokens: list[Added] = []


class IndexFile(_Part):
    """model.safetensors.index.json."""

    weight_map: dict[str, str]


class GenerationFile(_Part):
    """generation_config.json."""

    eos_token_id: TokenId | list[TokenId] | None = None

    @property
    def stop_ids(self) -> list[int]:
        """The tokens that end an answer."""
        found = self.eos_token_id
        return [] if found is None else found if isinstance(found, list) else [found]


class AdapterFile(_Part):
    """adapter_config.json."""

    base_model_name_or_path: str | None = None


class TensorEntry(_Part):
    """A tensor in the header of a safetensors file."""

    shape: list[TokenId]
    data_offsets: Annotated[list[TokenId], Field(min_length=2, max_length=2)]


_HEADER: Final = TypeAdapter(dict[str, TensorEntry])
_M = TypeVar("_M", bound=BaseModel)


def read_file(file: Path, kind: type[_M]) -> _M:
    """Read a JSON file as what it should be.

    Raises:
        UsageError: It is missing, no JSON object, or a field is wrong.
    """
    return checked(read_object(file), kind, where=str(file))


def checked(content: object, kind: type[_M], *, where: str) -> _M:
    """Return content as what it should be.

    Raises:
        UsageError: A field is wrong.
    """
    try:
        return kind.model_validate(content)
    except ValidationError as error:
        raise UsageError(
            f"{where} is damaged: {what_is_wrong(error)}. Download it again."
        ) from None


def read_object(file: Path) -> dict[str, Any]:
    """Read a JSON object.

    Raises:
        UsageError: It is missing, or no JSON object.
    """
    try:
        content = json.loads(read_text(file))
    except (ValueError, RecursionError) as error:
        raise UsageError(f"{file} is no JSON ({error}). Download it again.") from error
    if not isinstance(content, dict):
        raise UsageError(f"{file} is no JSON object. Download it again.")
    return content


def read_text(file: Path) -> str:
    """Read a text.

    Raises:
        UsageError: It is missing, cannot be read, or is no UTF-8.
    """
    try:
        return file.read_text("utf-8")
    except FileNotFoundError as error:
        raise UsageError(f"{file.parent} has no {file.name}. Download it again.") from error
    except (OSError, UnicodeDecodeError) as error:
        raise UsageError(f"{file} cannot be read ({error}). Download it again.") from error


def header_of(text: bytes) -> dict[str, TensorEntry]:
    """Return the tensors in the header of a safetensors file.

    Raises:
        ValueError: It is no such header, in words.
    """
    try:
        content = json.loads(text)
        if not isinstance(content, dict):
            raise ValueError("header")
        content.pop("__metadata__", None)
        return _HEADER.validate_python(content)
    except ValidationError as error:
        raise ValueError(what_is_wrong(error)) from None
    except RecursionError as error:
        raise ValueError("header") from error


def what_is_wrong(error: ValidationError) -> str:
    """Return the first thing that is wrong: field, what it should be, what it is."""
    first = error.errors()[0]
    field = ".".join(str(part) for part in first["loc"]) or "the whole"
    message = first["msg"][:1].lower() + first["msg"][1:]
    return f"{field}: {shorten(message, 120)}, got {shorten(repr(first['input']), 60)}"
