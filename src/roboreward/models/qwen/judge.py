"""The published prompt on a local model, along a video too."""

from collections.abc import Sequence
from typing import TYPE_CHECKING

from roboreward.core import Capability, Query, RoboRewardError, Verdict, prefixes_of
from roboreward.models.replies import signed
from roboreward.models.rubric_judge import RubricJudge, verdict_of

if TYPE_CHECKING:
    from roboreward.models.qwen.vlm import QwenVl


class QwenJudge(RubricJudge):
    """A `RubricJudge` that also gives a verdict along the video; see `core.DenseRewardModel`."""

    vlm: "QwenVl"

    @property
    def capabilities(self) -> frozenset[Capability]:
        """Those of the judge, and "dense"."""
        return super().capabilities | {"dense"}

    def curve(self, query: Query, anchors: Sequence[int] | None = None) -> list[Verdict]:
        """Return a verdict for each anchor, every frame being looked at once; see `core.DenseRewardModel`.

        A frame has the size that it has in the whole sample, or under `budget_frames` of the settings. With the latter,
        values are those of `score` on each prefix; without, a short prefix alone would be shown in larger frames.
        """
        prefixes = prefixes_of(query, anchors)
        wanted = [len(prefix.sample.record.indices) for prefix in prefixes]
        try:
            replies = self.vlm.ask_prefixes(self.ask_of(query), wanted, self.decoding)
            verdicts = [verdict_of(reply) for reply in replies]
        except RoboRewardError as error:
            verdicts = [Verdict.without_score("failed", str(error)) for _ in wanted]
        return signed(self, prefixes, verdicts, prompt=self.prompt.version)
