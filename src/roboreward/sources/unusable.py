"""An episode that cannot be used: raised, or counted where the caller asked for that."""

from roboreward.core import DataError
from roboreward.sources.source import OnSkip, Skip


class Unusable(DataError):
    """One episode cannot be used; the others can. For every source, those of other distributions too.

    Attributes:
        reason: One short, stable word for programs, such as "no_task".
        where: File and row; put before the message.

    Args:
        reason: See above.
        where: See above.
        text: What is wrong and what to do.
    """

    def __init__(self, reason: str, where: str, text: str) -> None:
        self.reason, self.where = reason, where
        super().__init__(f"{where}: {text}")


def leave_out(error: Unusable, on_skip: OnSkip | None) -> None:
    """Hand the error to `on_skip` as a `Skip`, or raise it where there is none: what `Source.episodes` promises."""
    if on_skip is None:
        raise error
    on_skip(Skip(error.where, error.reason, str(error)))
