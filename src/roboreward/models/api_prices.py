"""What calls cost: a dated table of published prices, and a limit on what may be spent."""

import re
import sys
import threading
from collections.abc import Callable
from functools import cache
from importlib.resources import files
from pathlib import Path
from typing import Final

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from roboreward.core import DataError, UsageError

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib

_SNAPSHOT: Final = re.compile(r"-(?:\d{4}-\d{2}-\d{2}|\d{8})$")
_ELSEWHERE: Final = " server"
_MILLION: Final = 1e6


class Price(BaseModel):
    """What one model costs, in US dollars for a million tokens.

    Attributes:
        provider: "openai", "gemini" or "anthropic": the scheme of the model's name. In the package's table that is the
            provider's own address. In a table of your own it is whatever address you ask; "openai server" is only
            another one than the provider's own, and comes first there. For `vllm:` it is "vllm".
        model: Its name, without the date of a snapshot.
        input_usd, output_usd: What is sent, and what is generated (reasoning included).
        cached_usd: Input that the provider had cached; None where that is unknown, which counts it as input.
        date: When it was so published.
        source: Where, in words.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    provider: str
    model: str
    input_usd: float = Field(ge=0)
    output_usd: float = Field(ge=0)
    cached_usd: float | None = Field(default=None, ge=0)
    date: str
    source: str

    def cost_usd(self, *, num_input: int, num_output: int, num_cached: int = 0) -> float:
        """Return what a call costs; cached tokens are a part of the input."""
        cached = self.input_usd if self.cached_usd is None else self.cached_usd
        fresh = max(0, num_input - num_cached)
        return (
            fresh * self.input_usd + num_cached * cached + num_output * self.output_usd
        ) / _MILLION


class PriceTable(BaseModel):
    """Prices as they were published on the dates that they name.

    Attributes:
        version: Of the table; stands beside each cost in the ledger.
        price: The prices.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    version: str
    price: tuple[Price, ...] = ()

    def find(self, provider: str, model: str) -> Price | None:
        """Return the price of a model or of the model that it is a dated snapshot of; None where it is unknown."""
        for name in (model, _SNAPSHOT.sub("", model)):
            for price in self.price:
                if (price.provider, price.model) == (provider, name):
                    return price
        return None


@cache
def load_prices(path: Path | None = None) -> PriceTable:
    """Read the package's table; with `path`, that table in front of it.

    Raises:
        DataError: The file cannot be read or is no table of prices.
    """
    own = files("roboreward.models").joinpath("prices.toml").read_text("utf-8")
    table = PriceTable.model_validate(tomllib.loads(own))
    if path is None:
        return table
    try:
        theirs = PriceTable.model_validate(tomllib.loads(path.read_text("utf-8")))
    except OSError as error:
        raise DataError(f"Cannot read {path}: {error.strerror or error}.") from error
    except (ValidationError, ValueError) as error:
        raise DataError(
            f"{path} is no table of prices: {str(error).splitlines()[0]}. The package's prices.toml shows one."
        ) from error
    # Who gives a price for a scheme means the address that is asked.
    elsewhere = [
        price.model_copy(update={"provider": f"{price.provider}{_ELSEWHERE}"})
        for price in theirs.price
        if not price.provider.endswith(_ELSEWHERE)
    ]
    return PriceTable(
        version=f"{theirs.version}+{table.version}",
        price=(*theirs.price, *elsewhere, *table.price),
    )


class Budget:
    """A limit on what may be spent, shared by any number of models and threads.

    What a call can cost at most is reserved before it is sent, and what it did cost is booked after it. So the limit
    holds with many calls under way, as far as the estimate of the input is right.

    Args:
        max_usd: The limit.
    """

    def __init__(self, max_usd: float) -> None:
        if not max_usd > 0:
            raise UsageError(f"The budget must be above 0 USD, got {max_usd}.")
        self.max_usd = max_usd
        self._spent_usd = self._reserved_usd = 0.0
        self._changed = threading.Condition()

    @property
    def spent_usd(self) -> float:
        """What was booked."""
        with self._changed:
            return self._spent_usd

    def reserve(self, usd: float, *, is_stopped: Callable[[], bool] = lambda: False) -> bool:
        """Set an amount aside; False when it is not there.

        While other calls are under way that may turn out cheaper than reserved, this waits for them.
        """
        with self._changed:
            while not is_stopped():
                if self._spent_usd + self._reserved_usd + usd <= self.max_usd + 1e-12:
                    self._reserved_usd += usd
                    return True
                if self._reserved_usd <= 1e-12 or self._spent_usd + usd > self.max_usd:
                    return False
                self._changed.wait(0.25)
            return False

    def settle(self, reserved_usd: float, cost_usd: float) -> None:
        """Give back what was reserved, and book what it cost."""
        with self._changed:
            self._reserved_usd -= reserved_usd
            self._spent_usd += cost_usd
            self._changed.notify_all()
