"""The same work on a Ray cluster, through Ray Data."""

import logging
import os
from collections.abc import Callable, Iterable, Iterator
from itertools import islice
from typing import Any, Final, Literal, TypeVar

from roboreward.core import MissingExtra, RoboRewardError, UsageError
from roboreward.store.engine import run_in_order

Item = TypeVar("Item")
Result = TypeVar("Result")
Engine = Literal["local", "ray"]

_ITEMS_A_CORE: Final = 32
_QUIET: Final = {
    "RAY_USAGE_STATS_ENABLED": "0",
    "RAY_ACCEL_ENV_VAR_OVERRIDE_ON_ZERO": "0",
    "RAY_DEDUP_LOGS": "0",
}


def run_on(
    engine: Engine,
    function: Callable[[Item], Result],
    items: Iterable[Item],
    *,
    num_workers: int | None = None,
    what: str = "the work",
) -> Iterator[Result]:
    """Call a function on every item, on the engine of that name; results come in the order of the items.

    Args:
        engine: "local" for `run_in_order`, "ray" for `run_on_ray`.
        function, items, num_workers, what: See there.

    Raises:
        UsageError: There is no such engine, or `num_workers` is below 1.
        MissingExtra: It is not installed.
    """
    if engine == "local":
        return run_in_order(function, items, num_workers=num_workers, what=what)
    if engine == "ray":
        return run_on_ray(function, items, num_workers=num_workers, what=what)
    raise UsageError(f"There is no engine {engine!r}. There are local and ray.")


def run_on_ray(
    function: Callable[[Item], Result],
    items: Iterable[Item],
    *,
    num_workers: int | None = None,
    what: str = "the work",
) -> Iterator[Result]:
    """Call a function on every item with Ray Data, and yield the results in the order of the items.

    Joins the cluster that `RAY_ADDRESS` names, or starts Ray on this machine, bound to the loopback interface, and
    stops it at the end. Items are read lazily, some a core at a time; the workers wait for each other between such
    parts. An error of one item is raised when its turn comes, and ends the rest.

    Args:
        function: A function of a module that is installed on all nodes.
        items: Picklable.
        num_workers: Cores of a Ray that is started here; None for all. A cluster has its own.
        what: What is being done, for messages.

    Raises:
        MissingExtra: Ray is not installed.
        UsageError: `num_workers` is below 1.
        RoboRewardError: Ray cannot be reached or has failed.
    """
    if num_workers is not None and num_workers < 1:
        raise UsageError(f"num_workers is {num_workers}; give at least 1.")
    for name, value in _QUIET.items():
        os.environ.setdefault(name, value)
    try:
        import ray
        import ray.data
        import ray.exceptions
    except ImportError as error:
        raise MissingExtra("ray", "ray", "The Ray engine") from error
    return _on_ray(ray, function, iter(items), num_workers, what)


def _on_ray(
    ray: Any,
    function: Callable[[Item], Result],
    items: Iterator[Item],
    num_workers: int | None,
    what: str,
) -> Iterator[Result]:
    is_ours = not ray.is_initialized()
    try:
        if is_ours:
            _start(ray, num_workers)
        num_cores = max(1, int(ray.cluster_resources().get("CPU", 1)))
        part_size = num_cores * _ITEMS_A_CORE
        while part := list(islice(items, part_size)):
            # A whole dataset at once would hold all items in memory: Ray Data has no source that streams from here.
            rows = [{"item": item} for item in part]
            found = ray.data.from_items(rows, override_num_blocks=min(len(rows), part_size))
            for row in found.map(_Safely(function)).iter_rows():
                if row["error"] is not None:
                    raise row["error"]
                yield row["result"]
    except (ray.exceptions.RayError, ConnectionError) as error:
        raise RoboRewardError(f"Ray failed at {what}: {error}") from error
    finally:
        if is_ours:
            ray.shutdown()


def _start(ray: Any, num_workers: int | None) -> None:
    if os.environ.get("RAY_ADDRESS"):
        ray.init(log_to_driver=False, logging_level="ERROR")
    else:
        ray.init(
            num_cpus=num_workers,
            include_dashboard=False,
            log_to_driver=False,
            logging_level="ERROR",
            _node_ip_address="127.0.0.1",
        )
    logging.getLogger("ray.data").setLevel("ERROR")
    context = ray.data.DataContext.get_current()
    context.enable_progress_bars = False
    context.execution_options.preserve_order = True


class _Safely:
    """Carries an error home as it is; Ray would wrap it into one of its own."""

    def __init__(self, function: Callable[[Any], Any]) -> None:
        self._function = function

    def __call__(self, row: dict[str, Any]) -> dict[str, Any]:
        try:
            return {"result": self._function(row["item"]), "error": None}
        except RoboRewardError as error:
            return {"result": None, "error": error}
