"""Reading "ANSWER: A", "ANSWER: B" or "ANSWER: TIE": the rules of `parse-v1`, for letters."""

import re
from typing import Final

_DECO: Final = r"[\s*_~`\"'<\[({#$]*"
_CLOSERS: Final = r"[ \t*_~`\"'>\])}$]*"
# Capital letters only, and nothing but punctuation behind them: "ANSWER: A robot arm ..." and "a tie" name no letter.
_FIELD = re.compile(
    rf"(?<![A-Za-z0-9])(?i:ANSWER)[\s*_~`\"']*:{_DECO}(A|B|(?i:TIE))(?![A-Za-z0-9])"
    rf"{_CLOSERS}(?=$|[\n\r.,;:!(\u2013\u2014-])([^\n]{{0,40}})"
)
_SECOND = re.compile(
    r"[ .,;:!(\u2013\u2014-]*(?:(?:or|and|vs)\b[ ]*)?(?:A|B|(?i:TIE))(?![A-Za-z0-9])"
)
_VALUE: Final = {"A": 1.0, "B": 0.0, "TIE": 0.5}


def parse_letter(text: str) -> float | None:
    """Return 1 for A, 0 for B, 0.5 for a tie, None where the last complete field names not exactly one of them.

    What stands between `<think>` and `</think>` is not the answer.
    """
    text = text.rpartition("</think>")[2].partition("<think>")[0]
    fields = list(_FIELD.finditer(text))
    if not fields or _SECOND.match(fields[-1][2]):
        return None
    return _VALUE[fields[-1][1].upper()]
