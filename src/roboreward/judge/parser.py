r"""The one parser: text of a model in, verdict out. `parse-v1`; any change of what it reads is a new version.

Grammar (case-insensitive; `deco` is space, `* _ ~ backtick " '`; full-width forms count as their ASCII ones):

    field  =  "ANSWER" deco* ":" opener* number [closer* scale] tail
    opener =  deco | line break | one of < [ ( { # $ | "\boxed{"
    number =  [+-] digits ["." digits]             4, 4.0 and 04 are four
    closer =  deco | one of > ] ) } $
    scale  =  "/ 5" | "out of 5"
    tail   =  anything on the line that does not put a second number beside the first

`ANSWER` must not continue a word. A field without a number ("ANSWER: <score>", "ANSWER: four") is not complete
and is passed over. Among the fields with a number the **last one decides**, for good or bad:

- one number in 1..5: scored
- one number that is not one of 1..5: out_of_range
- anything else ("4 or 5", "4-5", "4/10", "80%", "4th"): unparsed. Nothing is guessed, no earlier field is dug out

Words ("four") and loose digits ("the score is 4", "The answer is: 4") are never read. What stands between `<think>`
and `</think>` is not the answer.
"""

import re
from typing import Final, Literal, NamedTuple

from roboreward.core import SCORES, Score, Status, Verdict, shorten
from roboreward.judge.refusal import is_refusal

PARSE_V1: Final = "parse-v1"

# Values that providers give for "cut at the token limit" and for "declined", in lower case.
_CUT: Final = frozenset({"length", "max_tokens", "max_output_tokens", "model_length"})
_DECLINED: Final = frozenset(
    {"content_filter", "refusal", "safety", "prohibited_content", "blocklist", "recitation", "spii"}
)

_PLAIN: Final[dict[int, str]] = {code: chr(code - 0xFEE0) for code in range(0xFF01, 0xFF5F)} | {
    **dict.fromkeys((0xA0, 0x2007, 0x2009, 0x202F, 0x3000), " "),
    **dict.fromkeys((0x2018, 0x2019), "'"),
    **dict.fromkeys((0x201C, 0x201D), '"'),
    **dict.fromkeys((0x2010, 0x2011, 0x2212), "-"),
}
_SURROGATE = re.compile("[\ud800-\udfff]")

_MARKER = re.compile(r"(?<![A-Za-z0-9])ANSWER[\s*_~`\"']*:", re.IGNORECASE | re.ASCII)
_OPENERS = re.compile(r"[\s*_~`\"'<\[({#$]*(?:\\boxed\{\s*)?", re.ASCII)
_NUMBER = re.compile(r"[-+]?[0-9]+(?:\.[0-9]+)?")
_CLOSERS = re.compile(r"[ \t*_~`\"'>\])}$]*")
_IN_RANGE = re.compile(r"\+?0*([1-5])(?:\.0+)?")
_LIST_ITEM = re.compile(r"[.)][ \t]+\S")

# The next two look at a window of `_WINDOW` characters, so that no text can make them slow.
_WINDOW: Final = 80
_SCALE = re.compile(
    r"\(?(?:/|out +of\b)[ \t*_~`\"'<\[({]*5(?:\.0+)?(?![0-9A-Za-z%/]|[.,][0-9])", re.IGNORECASE
)
_SECOND_NUMBER = re.compile(
    r"""[/%]                                            # another scale
    | \(?(?:/|out\ of\b)
    | (?:[-,;:&|+=^<>\u2013\u2014\u2192]{0,3}|\.(?=[0-9])|\.{2,3}|\u2026)\ ?[-+]?[0-9]  # 4-5   4, 5   4 5
    | [-,;(\[/]*\ ?(?:(?:or|to|and|of|through|until|vs|maybe|perhaps|possibly|even)\b[,.]?\ ?)+[(\[]?[-+]?[0-9]
    """,
    re.IGNORECASE | re.VERBOSE,
)
_SEASONING = re.compile(r"[ \t*_~`\"']+")


class _Field(NamedTuple):
    """One field that holds a number."""

    kind: Literal["in_range", "out_of_range", "unclear"]
    value: str


def parse(text: str | None, *, finish_reason: str | None = None) -> Verdict:
    """Read a model's answer. Total: any text gives a verdict, in time linear in its length.

    Args:
        text: The generated part only, never the prompt; None when nothing came.
        finish_reason: Why generation ended, as the provider says. A length limit without a complete answer gives
            `truncated`; a content filter gives `refused` whatever the text says.

    Returns:
        A verdict with `parser` and `raw_text` set. The raw text is unedited, except that halves of surrogate pairs,
        which no UTF-8 file can hold, are written out as `\\udXXX`.
    """
    raw = _SURROGATE.sub(lambda half: f"\\u{ord(half[0]):04x}", text or "")
    reason_word = (finish_reason or "").lower()
    status, reason, score = _decide(raw, reason_word in _CUT, reason_word in _DECLINED)
    return Verdict(
        status=status,
        reason=reason,
        score=score,
        raw_text=None if text is None else raw,
        parser=PARSE_V1,
    )


def _decide(raw: str, was_cut: bool, was_declined: bool) -> tuple[Status, str | None, Score | None]:
    if was_declined:
        return "refused", "The provider withheld the answer (content filter).", None
    if not raw.strip():
        limit = " before the length limit" if was_cut else ""
        return "empty", f"The model gave no text{limit}.", None
    text = _without_reasoning(raw.translate(_PLAIN))
    field, is_open_ended = _last_field(text)
    if was_cut and is_open_ended:
        return "truncated", "The text was cut off right after ANSWER:", None
    if field and field.kind == "in_range":
        return "scored", None, SCORES[int(field.value) - 1]
    if field and field.kind == "out_of_range":
        return "out_of_range", f"The answer {shorten(field.value, 20)} is not one of 1..5.", None
    if was_cut:
        return "truncated", "The text was cut off before a complete ANSWER: field.", None
    if field:
        return "unparsed", f"Not one score from 1 to 5: ANSWER: {field.value!r}.", None
    if is_refusal(text):
        return "refused", "The model declined to judge.", None
    return "unparsed", "No complete ANSWER: field.", None


def _without_reasoning(text: str) -> str:
    """Drop what a thinking model said to itself: up to the last `</think>`, and from a `<think>` left open."""
    return text[text.rfind("</think>") + len("</think>") if "</think>" in text else 0 :].split(
        "<think>", 1
    )[0]


def _last_field(text: str) -> tuple[_Field | None, bool]:
    """Return the last field that holds a number, and whether the text ends in a field with nothing in it."""
    is_open_ended = False
    for marker in reversed(list(_MARKER.finditer(text))):
        start = _skip(_OPENERS, text, marker.end())
        is_open_ended = is_open_ended or start == len(text)
        number = _NUMBER.match(text, start)
        if number and not _starts_a_list(text, marker.end(), number):
            return _read_field(text, number), is_open_ended
    return None, is_open_ended


def _read_field(text: str, number: re.Match[str]) -> _Field:
    pos = number.end()
    if text[pos : pos + 1].isalnum():
        return _Field("unclear", text[number.start() : pos + 12].split("\n", 1)[0])
    pos = _skip(_CLOSERS, text, pos)
    scale = _SCALE.match(text, pos, pos + _WINDOW)
    if scale:
        pos = _skip(_CLOSERS, text, scale.end())
    rest = _SEASONING.sub(" ", text[pos : pos + _WINDOW].split("\n", 1)[0])
    if _SECOND_NUMBER.match(rest):
        return _Field("unclear", shorten(text[number.start() : pos + 20].split("\n", 1)[0], 40))
    level = _IN_RANGE.fullmatch(number[0])
    return _Field("in_range", level[1]) if level else _Field("out_of_range", number[0])


def _starts_a_list(text: str, field_start: int, number: re.Match[str]) -> bool:
    """Whether the number counts the items of a list that begins on a line of its own: "ANSWER:\\n1. The robot ..."."""
    is_next_line = "\n" in text[field_start : number.start()]
    return is_next_line and _LIST_ITEM.match(text, number.end()) is not None


def _skip(pattern: re.Pattern[str], text: str, pos: int) -> int:
    """Return the end of `pattern` at `pos`; the pattern matches the empty text too."""
    match = pattern.match(text, pos)
    return match.end() if match else pos
