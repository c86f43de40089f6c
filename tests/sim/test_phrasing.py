"""Tasks in words."""

import numpy as np

from roboreward.sim import VOCABULARY, Split, all_tasks, phrase, sample_layout, task_text
from roboreward.sim.phrasing import HELD_OUT_PHRASINGS, TRAINING_PHRASINGS


def _texts(split: Split) -> set[str]:
    rng = np.random.default_rng(0)
    layouts = [sample_layout(rng, split=split) for _ in range(40)]
    pairs = [(task, layout) for layout in layouts for task in all_tasks(layout)]
    return {phrase(task, layout, rng=rng, split=split) for task, layout in pairs}


def test_every_split_uses_only_words_of_the_vocabulary() -> None:
    for split in ("train", "test-combos", "test-phrasing"):
        words = {word for text in _texts(split) for word in text.split()}
        assert words <= set(VOCABULARY)


def test_training_uses_every_word_of_the_vocabulary() -> None:
    assert {word for text in _texts("train") for word in text.split()} == set(VOCABULARY)


def test_held_out_phrasings_are_none_of_the_training_ones() -> None:
    training = {p for phrasings in TRAINING_PHRASINGS.values() for p in phrasings}
    held_out = {p for phrasings in HELD_OUT_PHRASINGS.values() for p in phrasings}
    assert not training & held_out
    assert not _texts("test") & _texts("test-phrasing")


def test_the_tasks_of_a_scene_have_different_texts() -> None:
    layout = sample_layout(np.random.default_rng(1), split="train")
    texts = [task_text(task, layout) for task in all_tasks(layout)]
    assert len(set(texts)) == len(texts) >= 24


def test_a_plate_takes_things_on_it_and_a_bowl_in_it() -> None:
    for seed in range(30):
        layout = sample_layout(np.random.default_rng(seed), split="train")
        for task in all_tasks(layout):
            if task.relation == "put":
                is_plate = layout.receptacles[task.target].kind == "plate"
                assert (" on the " in task_text(task, layout)) is is_plate
