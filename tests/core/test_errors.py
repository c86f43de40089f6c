"""Messages say what happened and what to do."""

from roboreward.core import MediaRefused, MissingExtra, UnknownName, shorten


def test_an_unknown_name_offers_the_nearest_ones() -> None:
    assert "Did you mean nano?" in str(UnknownName("model", "nanno", ["nano", "mock:4"]))
    assert "Known: mock:4, nano." in str(UnknownName("model", "zzz", ["nano", "mock:4"]))


def test_a_missing_extra_names_the_command_that_adds_it() -> None:
    assert 'pip install "roboreward[train]"' in str(MissingExtra("torch", "train", "Training"))


def test_a_refusal_carries_a_word_for_programs() -> None:
    assert MediaRefused("truncated", "a.mp4 ends early.").reason == "truncated"


def test_long_values_are_shortened_to_the_limit() -> None:
    assert len(shorten("x" * 500)) == 80
    assert shorten("abc") == "abc"
