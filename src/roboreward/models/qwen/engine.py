"""Forward passes: pictures once, questions side by side or as branches of one another, answers token by token."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from inspect import signature
from typing import Any, Final

import numpy as np
import numpy.typing as npt
import torch
from transformers import DynamicCache

from roboreward.models.asking import Decoding, Token
from roboreward.models.qwen.clips import Patch
from roboreward.models.qwen.layout import Layout

Places = npt.NDArray[np.int64]

_NUM_ALTERNATIVES: Final = 20
_READ_AT_ONCE: Final = 64
"""Places whose scores for the whole vocabulary are in memory at once."""
_BRANCH_TOKENS: Final = 1024
"""Most tokens of branches that are run at once: each of them is compared with all of them."""


@dataclass(frozen=True, eq=False)
class Sight:
    """What the vision tower makes of one patch.

    Attributes:
        tokens: Float tensor (tokens, width).
        deep: The same for each layer of the language model that gets more of it.
    """

    tokens: Any
    deep: tuple[Any, ...] = ()


@dataclass(frozen=True, eq=False)
class Row:
    """A sequence to run.

    Attributes:
        ids: Token ids.
        runs: Where the tokens of each patch begin.
        places: Position ids, int64 (3, len(ids)).
        wanted: Places whose next-token probabilities are wanted, rising.
        tokens: The tokens whose probabilities are wanted there.
    """

    ids: list[int]
    runs: list[tuple[int, Patch]]
    places: Places
    wanted: list[int]
    tokens: list[int]


class Engine:
    """A model and how it is run.

    Args:
        model: One of the library's classes for conditional generation, in evaluation mode.
        family: Its `model_type`.
        can_branch: Whether its attention kernel takes any mask.
    """

    def __init__(self, model: Any, *, family: str, can_branch: bool = True) -> None:
        self.model, self.family, self.can_branch = model, family, can_branch
        self.device = model.device
        names = signature(model.model.language_model.forward).parameters
        self._cache = "cache" if "cache" in names else "past_key_values"  # renamed in 5.24
        self._merge = model.config.vision_config.spatial_merge_size

    def row(self, layout: Layout, chain: Sequence[int] = (), tokens: Sequence[int] = ()) -> Row:
        """Return the row of a layout with more tokens behind it.

        Args:
            layout: The question.
            chain: Further tokens. Behind the question, and behind each of them, probabilities are wanted.
            tokens: Whose probabilities are wanted.
        """
        ids = [*layout.ids, *chain]
        per_second = getattr(self.model.config.vision_config, "tokens_per_second", 0)
        places = positions(
            len(ids), layout, family=self.family, merge=self._merge, per_second=per_second
        )
        return Row(ids, layout.runs, places, list(range(len(layout.ids) - 1, len(ids))), [*tokens])

    def see(
        self, pixels: Mapping[Patch, Any], grids: Mapping[Patch, tuple[int, int]]
    ) -> dict[Patch, Sight]:
        """Run the vision tower on patches, all at once.

        Args:
            pixels: As `pixels.pixel_values` gives them.
            grids: Rows and columns of each.
        """
        if not pixels:
            return {}
        patches = list(pixels)
        values = torch.cat([pixels[patch] for patch in patches]).to(self.device)
        grid = torch.tensor([(1, *grids[patch]) for patch in patches], device=self.device)
        out = self.model.model.get_video_features(values, grid, return_dict=True)
        deep = getattr(out, "deepstack_features", None) or []
        return {
            patch: Sight(out.pooler_output[i], tuple(level[i] for level in deep))
            for i, patch in enumerate(patches)
        }

    def run(self, rows: Sequence[Row], sights: Mapping[Patch, Sight]) -> list[Any]:
        """Return for each row the log-probabilities of its tokens at its places, float32 (places, tokens), on the CPU.

        Rows are padded behind: no token sees the padding, so that no mask is needed and a row's numbers are those it
        has alone, up to rounding.
        """
        hidden = self._forward(rows, sights, None, None)
        return self._read([hidden[i, row.wanted] for i, row in enumerate(rows)], rows)

    def run_tree(self, rows: Sequence[Row], sights: Mapping[Patch, Sight]) -> list[Any]:
        """Return the same as `run` for rows that begin alike, running what they share once.

        The longest row is run first. The others branch off it where they begin to differ; branches stand side by side
        in one sequence, under a mask that hides each from the others.
        """
        trunk = max(range(len(rows)), key=lambda i: len(rows[i].ids))
        cache = DynamicCache(config=self.model.config.text_config)
        hidden = self._forward([rows[trunk]], sights, cache, None)
        states: dict[int, Any] = {trunk: hidden[0, rows[trunk].wanted]}
        kept = [(layer.keys, layer.values) for layer in cache.layers]
        starts = dict(enumerate(shared_starts(rows[trunk], rows)))
        del starts[trunk]
        for chunk in _chunks({i: len(rows[i].ids) - start for i, start in starts.items()}):
            branches = [_tail(rows[i], starts[i]) for i in chunk]
            spans = [(starts[i], len(b.ids)) for i, b in zip(chunk, branches, strict=True)]
            mask = self._branch_mask(spans, len(rows[trunk].ids))
            joined, offsets = _join(branches)
            hidden = self._forward([joined], sights, DynamicCache(kept), mask)
            for i, branch, offset in zip(chunk, branches, offsets, strict=True):
                states[i] = hidden[0, [offset + place for place in branch.wanted]]
        return self._read([states[i] for i in range(len(rows))], rows)

    def generate(
        self,
        rows: Sequence[Row],
        sights: Mapping[Patch, Sight],
        decoding: Decoding,
        stop_ids: frozenset[int],
    ) -> list[list[list["Drawn"]]]:
        """Return the drawn tokens: for each row, for each sample, in order; the stopping token is the last one.

        Greedy at temperature 0. Else a sample depends on the seed and its own number, and not on who else is asked.
        """
        num = decoding.num_samples if decoding.temperature > 0 else 1
        cache = DynamicCache(config=self.model.config.text_config)
        hidden = self._forward(rows, sights, cache, None)
        scores = self._log_probs(hidden[range(len(rows)), [len(row.ids) - 1 for row in rows]])
        cache.batch_repeat_interleave(num)
        scores = scores.repeat_interleave(num, 0)
        lengths = torch.tensor([len(row.ids) for row in rows]).repeat_interleave(num)
        ends = torch.tensor([int(row.places[:, -1].max()) + 1 for row in rows]).repeat_interleave(
            num
        )
        mask = (torch.arange(int(lengths.max())) < lengths[:, None]).long()
        drawers = [
            torch.Generator().manual_seed(decoding.seed + i % num) for i in range(len(scores))
        ]
        drawn: list[list[Drawn]] = [[] for _ in scores]
        for step in range(decoding.max_new_tokens):
            tokens = [
                _draw(scores[i], decoding, drawers[i], is_told=i % num == 0)
                for i in range(len(scores))
            ]
            is_open = [not d or d[-1].token not in stop_ids for d in drawn]
            for line, token, is_wanted in zip(drawn, tokens, is_open, strict=True):
                if is_wanted:
                    line.append(token)
            if (
                all(line[-1].token in stop_ids for line in drawn)
                or step + 1 == decoding.max_new_tokens
            ):
                break
            mask = torch.cat([mask, torch.ones(len(mask), 1, dtype=mask.dtype)], 1)
            scores = self._next([t.token for t in tokens], ends + step, mask, cache)
        return [drawn[i * num : (i + 1) * num] for i in range(len(rows))]

    def _next(self, tokens: Sequence[int], places: Any, mask: Any, cache: Any) -> Any:
        ids = torch.tensor(tokens, device=self.device)[:, None]
        out = self.model.model.language_model(
            inputs_embeds=self.model.get_input_embeddings()(ids),
            position_ids=places.to(self.device).view(1, -1, 1).expand(3, -1, -1),
            attention_mask=mask.to(self.device),
            use_cache=True,
            **{self._cache: cache},
        )
        return self._log_probs(out.last_hidden_state[:, -1])

    def _forward(
        self, rows: Sequence[Row], sights: Mapping[Patch, Sight], cache: Any, mask: Any
    ) -> Any:
        """Return the last layer's states, (rows, longest row, width)."""
        longest = max(len(row.ids) for row in rows)
        ids = torch.zeros(len(rows), longest, dtype=torch.long)
        places = torch.zeros(3, len(rows), longest, dtype=torch.long)
        for i, row in enumerate(rows):
            ids[i, : len(row.ids)] = torch.tensor(row.ids)
            places[:, i, : len(row.ids)] = torch.from_numpy(row.places)
        embeds = self.model.get_input_embeddings()(ids.to(self.device))
        extra = self._fill(embeds, rows, sights)
        out = self.model.model.language_model(
            inputs_embeds=embeds,
            position_ids=places.to(self.device),
            attention_mask=mask,
            use_cache=cache is not None,
            **{self._cache: cache},
            **extra,
        )
        return out.last_hidden_state

    def _fill(
        self, embeds: Any, rows: Sequence[Row], sights: Mapping[Patch, Sight]
    ) -> dict[str, Any]:
        """Put pictures in their places; return what else the language model of this family wants of them."""
        is_picture = torch.zeros(embeds.shape[:2], dtype=torch.bool, device=embeds.device)
        deep: list[list[Any]] = []
        for i, row in enumerate(rows):
            for start, patch in row.runs:
                sight = sights[patch]
                stop = start + len(sight.tokens)
                embeds[i, start:stop] = sight.tokens.to(embeds.device, embeds.dtype)
                is_picture[i, start:stop] = True
                deep.append(list(sight.deep))
        if not deep or not deep[0]:
            return {}
        levels = [torch.cat([sight[level] for sight in deep]) for level in range(len(deep[0]))]
        return {"visual_pos_masks": is_picture, "deepstack_visual_embeds": levels}

    def _branch_mask(self, branches: Sequence[tuple[int, int]], trunk: int) -> Any:
        """Return what is added to attention: 0 where a branch may look, else the least number.

        Args:
            branches: Where each leaves the trunk, and how many tokens it has.
            trunk: Tokens of the trunk.
        """
        total = sum(length for _, length in branches)
        is_seen = torch.zeros(total, trunk + total, dtype=torch.bool)
        at = 0
        for start, length in branches:
            is_seen[at : at + length, :start] = True
            own = torch.ones(length, length, dtype=torch.bool).tril()
            is_seen[at : at + length, trunk + at : trunk + at + length] = own
            at += length
        dtype = self.model.get_input_embeddings().weight.dtype
        mask = torch.zeros(is_seen.shape, dtype=dtype)
        mask.masked_fill_(~is_seen, torch.finfo(dtype).min)
        return mask[None, None].to(self.device)

    def _read(self, states: Sequence[Any], rows: Sequence[Row]) -> list[Any]:
        """Return the log-probabilities of each row's tokens from its states, a few places of all rows at a time."""
        joined, owners = torch.cat(list(states)), [i for i, s in enumerate(states) for _ in s]
        found: list[list[Any]] = [[] for _ in rows]
        for start in range(0, len(joined), _READ_AT_ONCE):
            logits = self._logits(joined[start : start + _READ_AT_ONCE])
            totals = logits.logsumexp(-1)
            for k, owner in enumerate(owners[start : start + _READ_AT_ONCE]):
                found[owner].append((logits[k, rows[owner].tokens] - totals[k]).cpu())
        return [torch.stack(lines) for lines in found]

    def _logits(self, hidden: Any) -> Any:
        return self.model.lm_head(hidden.to(self.model.lm_head.weight.device)).float()

    def _log_probs(self, hidden: Any) -> Any:
        return torch.log_softmax(self._logits(hidden), -1).cpu()


@dataclass(frozen=True)
class Drawn:
    """A token that was drawn, and the likeliest ones in its place with their log-probabilities."""

    token: int
    alternatives: tuple[tuple[int, float], ...] = ()


def positions(num: int, layout: Layout, *, family: str, merge: int, per_second: float) -> Places:
    """Return where tokens stand in time, height and width, int64 (3, num): the library's `get_rope_index`, faster.

    Text goes on one step at a time, on all three axes. The tokens of a picture stand where it begins, plus their time,
    row and column; what follows goes on from there plus the longer side. A picture is a pair of frames for Qwen3-VL,
    and for Qwen2.5-VL a whole clip, in which time runs.

    Args:
        num: Tokens, with those behind the layout.
        layout: Its pictures.
        family: Of the model.
        merge: Patches of a side that become a token.
        per_second: Steps of a second in time, for Qwen2.5-VL.
    """
    places = np.empty((3, num), np.int64)
    at = step = 0
    starts = iter([start for start, _ in layout.runs])
    for clip in layout.clips:
        rows, columns = clip.grid[0] // merge, clip.grid[1] // merge
        depth = 1 if family == "qwen3_vl" else len(clip.patches)
        times = (np.arange(depth) * (per_second * clip.step_s)).astype(np.int64)
        block = np.stack(np.meshgrid(times, np.arange(rows), np.arange(columns), indexing="ij"))
        for start in [next(starts) for _ in clip.patches][::depth]:
            places[:, at:start] = np.arange(step, step + start - at)
            step += start - at
            at = start + depth * clip.num_tokens
            places[:, start:at] = block.reshape(3, -1) + step
            step += max(rows, columns)
    places[:, at:] = np.arange(step, step + num - at)
    return places


def shared_starts(trunk: Row, rows: Sequence[Row]) -> list[int]:
    """Return how many tokens each row shares with the trunk from the start: ids, pictures and places.

    Fewer than up to the first place that is wanted, so that this one is run.
    """
    return [_shared(trunk, row) for row in rows]


def _shared(trunk: Row, row: Row) -> int:
    most = min(len(trunk.ids), row.wanted[0])
    is_same = np.array(trunk.ids[:most]) == np.array(row.ids[:most])
    is_same &= (trunk.places[:, :most] == row.places[:, :most]).all(0)
    for (at, theirs), (place, ours) in zip(trunk.runs, row.runs, strict=False):
        if (at, theirs) != (place, ours):
            is_same[min(at, place) :] = False
            break
    return most if is_same.all() else int(is_same.argmin())


def tokens_of(drawn: Sequence[Drawn], decode: Any) -> tuple[Token, ...]:
    """Return drawn tokens as the protocol has them."""
    return tuple(
        Token(decode([token.token]), {decode([i]): value for i, value in token.alternatives})
        for token in drawn
    )


def _draw(scores: Any, decoding: Decoding, generator: Any, *, is_told: bool) -> Drawn:
    if decoding.temperature > 0:
        shares = torch.softmax(scores / decoding.temperature, -1)
        token = int(torch.multinomial(shares, 1, generator=generator))
    else:
        token = int(scores.argmax())
    if not is_told:
        return Drawn(token)
    best = scores.topk(_NUM_ALTERNATIVES)
    return Drawn(token, tuple(zip(best.indices.tolist(), best.values.tolist(), strict=True)))


def _tail(row: Row, start: int) -> Row:
    """Return the rest of a row from a token on; a patch is never cut, since its tokens have one owner and one place."""
    runs = [(at - start, patch) for at, patch in row.runs if at >= start]
    wanted = [place - start for place in row.wanted]
    return Row(row.ids[start:], runs, row.places[:, start:], wanted, row.tokens)


def _join(rows: Sequence[Row]) -> tuple[Row, list[int]]:
    ids: list[int] = []
    runs: list[tuple[int, Patch]] = []
    offsets = []
    for row in rows:
        offsets.append(len(ids))
        runs += [(len(ids) + at, patch) for at, patch in row.runs]
        ids += row.ids
    return Row(ids, runs, np.concatenate([row.places for row in rows], 1), [], []), offsets


def _chunks(lengths: Mapping[int, int]) -> list[list[int]]:
    """Split branches into groups of at most `_BRANCH_TOKENS` tokens, or of one."""
    groups: list[list[int]] = []
    total = 0
    for i, length in lengths.items():
        if not groups or total + length > _BRANCH_TOKENS:
            groups.append([])
            total = 0
        groups[-1].append(i)
        total += length
    return groups
