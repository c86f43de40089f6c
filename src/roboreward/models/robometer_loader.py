"""From what stands behind "robometer:" to the model. Imports torch when it is called."""

from roboreward.core import MissingExtra, RewardModel, UsageError

_OF_THE_EXTRA = {"torch", "transformers", "tokenizers"}


def load(rest: str) -> RewardModel:
    """Return Robometer from a folder.

    Raises:
        UsageError: No folder is named.
        DataError: What is in it is no Robometer checkpoint.
        MissingExtra: The extra vlm is not installed.
    """
    if not rest:
        raise UsageError(
            "robometer: needs a folder with the weights, such as robometer:./Robometer-4B."
        )
    try:
        from roboreward.models.robometer import Robometer
    except ModuleNotFoundError as error:
        package = (error.name or "").partition(".")[0]
        if package not in _OF_THE_EXTRA:
            raise
        raise MissingExtra(package, "vlm", "Robometer") from error
    return Robometer(rest)
