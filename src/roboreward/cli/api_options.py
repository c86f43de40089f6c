"""Options of the verbs that may ask models behind an API, and the environment variables that hold their keys."""

import functools
import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple, TypeVar

import click

from roboreward.cli.edge import plain
from roboreward.cli.places import cache_folder

if TYPE_CHECKING:
    from roboreward.models import ApiSettings, ApiVlm, Tally

_F = TypeVar("_F", bound=Callable[..., Any])
_BASE_URLS = {
    "openai": "OPENAI_BASE_URL",
    "gemini": "GOOGLE_GEMINI_BASE_URL",
    "anthropic": "ANTHROPIC_BASE_URL",
}


class ApiChoices(NamedTuple):
    """What the options say.

    Attributes:
        base_urls: Each as "scheme=address".
        samples: Answers a question where a provider gives no probabilities.
        max_usd: What may be spent.
        concurrency: Calls at once.
        ledger: The file, or None for the usual one.
        is_ledger_kept: Whether there is one at all.
        prices: A table of one's own, or None.
    """

    base_urls: tuple[str, ...] = ()
    samples: int = 1
    max_usd: float | None = None
    concurrency: int = 16
    ledger: Path | None = None
    is_ledger_kept: bool = True
    prices: Path | None = None


_OPTIONS = (
    click.option(
        "--base-url",
        "base_urls",
        multiple=True,
        metavar="SCHEME=URL",
        help="Ask a scheme somewhere else, such as openai=https://openrouter.ai/api/v1; may be given again.",
    ),
    click.option(
        "--samples",
        type=click.IntRange(1, 64),
        default=1,
        show_default=True,
        help="Answers a question, at temperature 1, of APIs that give no probabilities; gvl: and topreward: ask once.",
    ),
    click.option(
        "--max-usd", type=click.FloatRange(0, min_open=True), help="Send nothing beyond this cost."
    ),
    click.option(
        "--concurrency",
        type=click.IntRange(1, 256),
        default=16,
        show_default=True,
        help="Calls of an API under way at once, at most.",
    ),
    click.option(
        "--ledger",
        type=click.Path(path_type=Path, dir_okay=False),
        metavar="FILE",
        help="Where paid calls are kept; by default in the cache folder.",
    ),
    click.option("--no-ledger", is_flag=True, help="Keep no paid calls, and use none."),
    click.option(
        "--prices",
        type=click.Path(path_type=Path, dir_okay=False),
        metavar="FILE.toml",
        help="Prices of your own.",
    ),
)


def api_options(command: _F) -> _F:
    """Add the options of APIs to a command, as the one argument `api`."""

    @functools.wraps(command)
    def with_choices(
        *args: Any,
        base_urls: tuple[str, ...],
        samples: int,
        max_usd: float | None,
        concurrency: int,
        ledger: Path | None,
        no_ledger: bool,
        prices: Path | None,
        **others: Any,
    ) -> Any:
        choices = ApiChoices(
            base_urls, samples, max_usd, concurrency, ledger, not no_ledger, prices
        )
        return command(*args, api=choices, **others)

    wrapped: Any = with_choices
    for option in reversed(_OPTIONS):
        wrapped = option(wrapped)
    return wrapped  # type: ignore[no-any-return]


@contextmanager
def asking(choices: ApiChoices | None = None) -> "Iterator[list[ApiVlm]]":
    """Inside, models behind an API are loaded as chosen; behind it, stderr says what their calls came to.

    Args:
        choices: What the options say; None for the defaults.

    Yields:
        The models behind an API that were loaded so far; it grows.
    """
    from roboreward.models import use_api

    loaded: list[ApiVlm] = []
    with use_api(api_settings(choices or ApiChoices(), on_load=loaded.append)):
        try:
            yield loaded
        finally:
            # The same model may have been loaded several times: for a floor, or once a run of a study.
            for name in dict.fromkeys(vlm.name for vlm in loaded):
                _say_what_it_came_to(name, [vlm.tally for vlm in loaded if vlm.name == name])


def api_settings(
    choices: ApiChoices, *, on_load: "Callable[[ApiVlm], None] | None" = None
) -> "ApiSettings":
    """Return the settings that options and environment make.

    Raises:
        UsageError: An option is not understood.
    """
    from pydantic import SecretStr

    from roboreward.models import KEY_VARIABLES, ApiSettings, Budget

    keys = {}
    for scheme, names in KEY_VARIABLES.items():
        found = next((key for name in names if (key := os.environ.get(name, "").strip())), None)
        if found is not None:
            keys[scheme] = SecretStr(found)
    return ApiSettings(
        base_urls=_base_urls(choices.base_urls),
        keys=keys,
        num_samples=choices.samples,
        budget=None if choices.max_usd is None else Budget(choices.max_usd),
        max_concurrency=choices.concurrency,
        ledger=_ledger(choices),
        price_file=choices.prices,
        on_load=on_load,
    )


def _ledger(choices: ApiChoices) -> Path | None:
    from roboreward.core import UsageError

    if not choices.is_ledger_kept:
        if choices.ledger is not None:
            raise UsageError("--ledger and --no-ledger exclude each other.")
        return None
    return choices.ledger or cache_folder() / "ledger.sqlite3"


def _base_urls(given: tuple[str, ...]) -> dict[Any, str]:
    from roboreward.core import UsageError
    from roboreward.models import API_SCHEMES

    urls = {s: url for s, name in _BASE_URLS.items() if (url := os.environ.get(name, "").strip())}
    for text in given:
        scheme, sep, url = text.partition("=")
        if not sep or scheme not in API_SCHEMES:
            # What was given may hold a password, so it is not repeated.
            raise UsageError(
                f"--base-url takes SCHEME=URL with one of {', '.join(API_SCHEMES)}, such as "
                "openai=http://localhost:11434/v1."
            )
        urls[scheme] = url
    return urls


def _say_what_it_came_to(name: str, tallies: "list[Tally]") -> None:
    num_sent = sum(tally.num_sent for tally in tallies)
    num_stored = sum(tally.num_stored for tally in tallies)
    if not (num_sent or num_stored):
        return
    num_retried = sum(tally.num_retried for tally in tallies)
    parts = [f"{num_sent} call{'' if num_sent == 1 else 's'} sent"]
    if num_retried:
        parts[0] += f" ({num_retried} of them again)"
    if num_stored:
        parts.append(f"{num_stored} answers from the ledger")
    if any(tally.num_answered for tally in tallies):
        is_known = not any(tally.num_unpriced for tally in tallies)
        cost_usd = sum(tally.cost_usd for tally in tallies)
        parts.append(f"{cost_usd:.4f} USD" if is_known else "cost unknown")
    lost_usd = sum(tally.lost_usd for tally in tallies)
    if lost_usd:
        parts.append(f"and up to {lost_usd:.4f} USD for calls without an answer that could be read")
    click.echo(plain(f"{name}: {', '.join(parts)}."), err=True)
