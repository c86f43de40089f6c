"""Whether a text declines to judge. A small closed list, on purpose.

Only a text that *opens* with one of these is a refusal, and only the parser's texts without any answer are looked at.
"I can't see any change" and "I'm sorry, but the robot failed" are judgements, not refusals: they stay `unparsed`.
English only; a refusal in other words or another language is `unparsed` too, which costs the model the same.
"""

import re
from typing import Final

_DECLINE: Final = (
    r"I(?:'m| am)? (?:just |simply |really )?"
    r"(?:can't|can ?not|could not|couldn't|won't|will not|unable to|not able to|not allowed to|must decline)"
)
_ACT: Final = (
    r"(?: to)? (?:help|assist|judge|assess|evaluate|score|rate|grade|provide|give|answer|comply|fulfill?|"
    r"view|watch|access|process|analy[sz]e|review|do that|do this)\b"
)
_SORRY: Final = r"(?:I(?:'m| am) (?:very |really |so )?sorry|sorry|I apologi[sz]e|my apologies)\b"

_PLAIN_REFUSAL = re.compile(
    rf"(?:unfortunately,? |as an? [^.\n]{{1,60}}, )?{_DECLINE}{_ACT}", re.IGNORECASE
)
_SORRY_REFUSAL = re.compile(
    rf"{_SORRY}[^.\n]{{0,120}}?[,;.]? (?:but )?"
    rf"(?:{_DECLINE}{_ACT}|(?:that|this)(?: is|'s) (?:not something|beyond what) I can)",
    re.IGNORECASE,
)
_LEAD = re.compile(r"[\s*_~`\"'#>]*")
_WINDOW: Final = 400


def is_refusal(text: str) -> bool:
    """Return whether `text` opens by declining to judge. Apostrophes must be straight."""
    lead = _LEAD.match(text)
    start = lead.end() if lead else 0
    opening = re.sub(r"\s+", " ", text[start : start + _WINDOW])
    return bool(_PLAIN_REFUSAL.match(opening) or _SORRY_REFUSAL.match(opening))
