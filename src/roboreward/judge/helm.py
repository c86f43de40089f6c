"""The paper author's own way to read an answer, for comparison with printed numbers only.

Restated from the author-side HELM metric: a case-insensitive search for `answer:` followed by a number, else a number
at the start of the text, else unparsed. The value is not clamped to 1..5, and an unparsed text counts as an error of 4.
(An item without any completion is skipped there; that is a matter of the run, not of the text.)
"""

import math
import re
from typing import Final, NamedTuple

HELM_UNPARSED_ERROR: Final = 4.0

_FIELD = re.compile(r"answer:\s*([-+]?\d+(?:\.\d+)?)", re.IGNORECASE)
_LEADING = re.compile(r"\s*([-+]?\d+(?:\.\d+)?)")


class HelmReading(NamedTuple):
    """What the author's rule makes of a text. `value` is None when unparsed, and may lie outside 1..5."""

    value: float | None


def parse_helm(text: str | None) -> HelmReading:
    """Read a text by the author's rule. Never raises; a number too large for a float counts as unparsed."""
    found = _FIELD.search(text or "") or _LEADING.match(text or "")
    value = float(found[1]) if found else math.inf
    return HelmReading(value if math.isfinite(value) else None)


def helm_error(reading: HelmReading, label: int) -> float:
    """Return |value - label|, or 4 when unparsed: larger than any answer in 1..5 can miss by for labels 2..4."""
    return HELM_UNPARSED_ERROR if reading.value is None else abs(reading.value - label)
