"""GVL: a vision-language model says of shuffled frames how much of the task is done in each.

Method: Generative Value Learning, arXiv 2411.04549. The first frame is given as the reference for 0 %, the others are
shown in random order, so that the model cannot simply count upwards. The wording of the question is ours.
"""

import json
import random
import re
from collections.abc import Sequence
from typing import Any, Final, NamedTuple

from pydantic import BaseModel, ConfigDict, Field

from roboreward.core import (
    Capability,
    FramePolicy,
    FrameSample,
    Query,
    RoboRewardError,
    Status,
    Verdict,
)
from roboreward.models.asking import Ask, Decoding, Reply, Vlm
from roboreward.models.cuts import Cuts, score_at
from roboreward.models.method_prompt import load_method_prompt
from roboreward.models.replies import ask_all, served_by, signed, why_unreadable
from roboreward.models.vlms import load_vlm

GVL_PARSER: Final = "gvl-parse-v1"
_IDENTITY: Final[dict[str, Any]] = {"role": "identity"}
_TOKENS_A_LINE: Final = 16
_SLACK_TOKENS: Final = 64
_ONE_FRAME: Final = "The frames are compared with the first one, and this video has one frame."

_LINE = re.compile(r"[\s*_~`\"'>#-]*frame[\s*_~`\"'#]*(\d{1,6})[\s*_~`\"']*:(.*)", re.IGNORECASE)
_PERCENTAGE = re.compile(r"(?<![\w.,])([-+]?\d{1,9}(?:\.\d{1,9})?)\s?%")
_NUMBER = re.compile(r"\d")


class GvlConfig(BaseModel):
    """How the frames are shown, and how the last percentage becomes a score.

    Attributes:
        seed: Another seed gives other orders.
        cuts: Cut points (`models.CUTS`) for the percentage of the last true frame.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    seed: int = Field(default=0, ge=0, json_schema_extra=_IDENTITY)
    cuts: Cuts = Field(default="nearest-level", json_schema_extra=_IDENTITY)


class Percentages(NamedTuple):
    """What a text says of the frames.

    Attributes:
        status: "scored" when there is one percentage a frame.
        values: In [0, 100], one a frame, in the order in which they were shown; () otherwise.
        reason: Why there are none.
    """

    status: Status
    values: tuple[float, ...] = ()
    reason: str = ""


class Gvl:
    """Percentages of shuffled frames; the last true frame's decides.

    `rationale` is a JSON object with "progress", a number in [0, 1] for each frame that was seen, in true order (the
    first is the reference, 0). There is no distribution.

    Args:
        vlm: Who is asked. It has to write as many lines as there are frames.
        config: Shuffling and score.
        temperature: Of the answer; 0 for the most probable one.
        frame_policy: Which frames are shown. A video of one frame makes the method abstain.
    """

    capabilities: frozenset[Capability] = frozenset()

    def __init__(
        self,
        vlm: Vlm,
        *,
        config: GvlConfig | None = None,
        temperature: float = 0.0,
        frame_policy: FramePolicy | None = None,
    ) -> None:
        self.vlm, self.config = vlm, config or GvlConfig()
        self.frame_policy = frame_policy or FramePolicy()
        self.decoding = Decoding(
            max_new_tokens=_SLACK_TOKENS + _TOKENS_A_LINE * self.frame_policy.max_frames,
            temperature=temperature,
            seed=self.config.seed,
        )
        self.name = f"gvl:{vlm.name}"
        self.prompt = load_method_prompt("gvl-v1")

    @property
    def revision(self) -> str:
        """Of the model, with the settings that change a score."""
        settings = f"{self.config.cuts}-seed{self.config.seed}-t{self.decoding.temperature:g}"
        return f"{self.vlm.revision}+{settings}"

    def score(self, queries: Sequence[Query]) -> list[Verdict]:
        """Ask all at once; see `RewardModel`."""
        verdicts: dict[int, Verdict] = {}
        asks: dict[int, Ask] = {}
        orders = [shuffled_places(query, seed=self.config.seed) for query in queries]
        for i, (query, order) in enumerate(zip(queries, orders, strict=True)):
            try:
                ask = self.ask_of(query, order)
            except RoboRewardError as error:
                verdicts[i] = Verdict.without_score("failed", str(error))
                continue
            if order:
                asks[i] = ask
            else:
                verdicts[i] = Verdict.without_score("abstained", _ONE_FRAME)
        replies = ask_all(self.vlm, list(asks.values()), self.decoding)
        verdicts |= {
            i: self._read(reply, orders[i]) for i, reply in zip(asks, replies, strict=True)
        }
        in_order = [verdicts[i] for i in range(len(queries))]
        return signed(self, queries, in_order, prompt=self.prompt.version)

    def ask_of(self, query: Query, order: tuple[int, ...]) -> Ask:
        """Return the question that shows the frames at the places in `order`.

        Raises:
            UsageError: The task is empty or too long.
        """
        intro = self.prompt.part(0, task=query.task)
        frames = [
            part
            for number, place in enumerate(order, 1)
            for part in (self.prompt.part(2, number=str(number)), _alone(query, place))
        ]
        reference = (self.prompt.part(1), _alone(query, 0))
        end = self.prompt.part(3, count=str(len(order)))
        parts = (intro, *reference, *frames, end)
        return Ask(parts, ask_id=query.query_id, has_times=False)

    def _read(self, reply: Reply, order: tuple[int, ...]) -> Verdict:
        text = reply.texts[0] if reply.texts else ""
        verdict = why_unreadable(reply) or self._verdict_of(text, order, reply.status)
        facts = {
            "raw_text": text or None,
            "usage": reply.usage,
            "parser": GVL_PARSER,
            "revision": served_by([reply]),
        }
        return verdict.model_copy(update=facts)

    def _verdict_of(self, text: str, order: tuple[int, ...], status: str) -> Verdict:
        read = parse_percentages(text, num_frames=len(order))
        if read.status != "scored":
            was_cut = status == "truncated" and read.status == "unparsed"
            return Verdict.without_score("truncated" if was_cut else read.status, read.reason)
        by_place = dict(zip(order, read.values, strict=True))
        progress = [0.0, *(by_place[place] / 100 for place in sorted(by_place))]
        score = score_at(progress[-1], self.config.cuts)
        rationale = json.dumps({"progress": progress})
        return Verdict(status="scored", score=score, rationale=rationale)


def load(rest: str) -> Gvl:
    """Return GVL on the model that `rest` names."""
    return Gvl(load_vlm(rest))


def shuffled_places(query: Query, *, seed: int) -> tuple[int, ...]:
    """Return the places 1..T-1 of a sample, in an order that depends on seed, id, task and frame numbers alone."""
    places = list(range(1, len(query.sample.frames_THWC)))
    key = f"{seed}\0{query.query_id}\0{query.task}\0{query.sample.record.indices}"
    random.Random(key.encode("utf-8", "replace")).shuffle(places)
    return tuple(places)


def _alone(query: Query, place: int) -> FrameSample:
    """One frame without its place in the video; APIs are told no time, and local models 0 s of every frame."""
    return FrameSample.from_array(query.sample.frames_THWC[place : place + 1])


def parse_percentages(text: str, *, num_frames: int) -> Percentages:
    """Read one percentage a frame from a text; `gvl-parse-v1`, total: any text gives an outcome.

    A line counts when it begins with "Frame N:" (markdown around it is passed over) and holds exactly one percentage
    and no second number; of several lines for one frame the last decides. Numbers without "%" are never read, nor what
    stands between `<think>` and `</think>`. Every frame 1..`num_frames` must be there, and no other.
    """
    text = text.rpartition("</think>")[2].partition("<think>")[0]
    found: dict[int, float | None] = {}
    for line in text.splitlines():
        match = _LINE.match(line)
        if match:
            percentages = _PERCENTAGE.findall(match[2])
            is_alone = len(percentages) == 1 and not _NUMBER.search(_PERCENTAGE.sub("", match[2]))
            found[int(match[1])] = float(percentages[0]) if is_alone else None
    unclear = sorted(number for number, value in found.items() if value is None)
    if unclear:
        return Percentages(
            "unparsed", reason=f"Not one percentage in the line of frame {unclear[0]}."
        )
    if sorted(found) != list(range(1, num_frames + 1)):
        return Percentages("unparsed", reason=_wrong_count(set(found), num_frames))
    values = [value for number in sorted(found) if (value := found[number]) is not None]
    outside = [value for value in values if not 0 <= value <= 100]
    if outside:
        return Percentages("out_of_range", reason=f"{outside[0]:g} % is not one of 0 % to 100 %.")
    return Percentages("scored", tuple(values))


def _wrong_count(numbers: set[int], num_frames: int) -> str:
    missing = sorted(set(range(1, num_frames + 1)) - numbers)
    extra = sorted(numbers - set(range(1, num_frames + 1)))
    parts = [f"Wrong count: {len(numbers)} percentages for {num_frames} frames"]
    parts += [f"missing: {', '.join(map(str, missing[:8]))}"] if missing else []
    parts += [f"never shown: {', '.join(map(str, extra[:8]))}"] if extra else []
    return "; ".join(parts) + "."
