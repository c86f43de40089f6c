"""Runs of reward models on example sets: durable records, numbers with intervals, a table and a report page."""

from roboreward.bench.config import RunConfig
from roboreward.bench.folder import RunResult, load_run, load_runs
from roboreward.bench.html import headline, write_report_html
from roboreward.bench.intervals import Estimate
from roboreward.bench.record import Record
from roboreward.bench.report import print_table, table_data
from roboreward.bench.run import run_bench
from roboreward.bench.summary import Compared, Summary, by_set, compare, summarize

__all__ = [
    "Compared",
    "Estimate",
    "Record",
    "RunConfig",
    "RunResult",
    "Summary",
    "by_set",
    "compare",
    "headline",
    "load_run",
    "load_runs",
    "print_table",
    "run_bench",
    "summarize",
    "table_data",
    "write_report_html",
]
