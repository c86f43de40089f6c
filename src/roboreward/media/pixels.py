"""From a decoded frame, in whatever format it has, to upright RGB bytes."""

from pathlib import Path
from typing import Any, Final

import numpy as np

from roboreward.core import Frames
from roboreward.media.limits import refusal

_Matrix = tuple[int, int, int, int]
_MATRIX_OF_ANGLE: Final[dict[int, _Matrix | None]] = {
    0: None,
    90: (0, -1, 1, 0),
    180: (-1, 0, 0, -1),
    -180: (-1, 0, 0, -1),
    -90: (0, 1, -1, 0),
}
_LIMITED_OR_UNTAGGED: Final = (0, 1)
_BT601_OR_UNTAGGED: Final = (2, 5, 6)
"""Numbers of ITU-T H.273, table 4."""


def to_rgb(frame: Any, *, path: Path) -> Frames:
    """Return a decoded frame as uint8 RGB (H, W, 3), upright.

    Bit depth, chroma subsampling, colour matrix and range follow the frame's own tags. One thread: starting others for
    a frame costs more than they save.

    Raises:
        MediaRefused: "odd_rotation".
    """
    rgb: Frames = frame.to_ndarray(format="rgb24", threads=1)
    matrix = _display_matrix(frame)
    return rgb if matrix is None else _upright(rgb, matrix, path)


def _display_matrix(frame: Any) -> _Matrix | None:
    """Return (a, b, c, d) of the map x' = a x + c y, y' = b x + d y (ISO/IEC 14496-12, 6.2.2), or None for upright.

    The codec library's list of side data cannot be read when it holds a kind that the library has no name for;
    its angle can, and lacks only mirroring.
    """
    try:
        side_data = frame.side_data
        data = side_data.get("DISPLAYMATRIX") if len(side_data) else None
    except ValueError:
        return _MATRIX_OF_ANGLE.get(frame.rotation, (1, 1, 1, 1))
    if data is None:
        return None
    a, b, _, c, d = (int(value) for value in np.frombuffer(bytes(data), "<i4")[:5])
    return a, b, c, d


def _upright(rgb: Frames, matrix: _Matrix, path: Path) -> Frames:
    """Apply one of the eight right-angled orientations."""
    a, b, c, d = matrix
    if b == c == 0 and a and d:
        flip_x, flip_y = a < 0, d < 0
    elif a == d == 0 and b and c:
        rgb, flip_x, flip_y = rgb.transpose(1, 0, 2), c < 0, b < 0
    else:
        text = (
            f"its display matrix ({a}, {b}, {c}, {d}) is not a right angle. Re-encode it upright."
        )
        raise refusal("odd_rotation", path, text)
    upright = rgb[:: -1 if flip_y else 1, :: -1 if flip_x else 1]
    return np.ascontiguousarray(upright)


def is_plain(frame: Any) -> bool:
    """Return whether a decoded frame is stored as we store frames, so that its samples need no conversion.

    8 bits, 4:2:0, limited range, BT.601 by tag or for want of one, even sides, upright.
    """
    is_even = frame.width % 2 == 0 and frame.height % 2 == 0
    is_ours = frame.format.name == "yuv420p" and frame.color_range in _LIMITED_OR_UNTAGGED
    return is_even and is_ours and frame.colorspace in _BT601_OR_UNTAGGED and _is_upright(frame)


def _is_upright(frame: Any) -> bool:
    return _display_matrix(frame) in (None, (1 << 16, 0, 0, 1 << 16))
