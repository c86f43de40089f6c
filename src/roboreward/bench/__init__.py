"""Runs of reward models on example sets: durable records, numbers with intervals, a table and a report page."""

from roboreward.bench.calibration import Answers, answers_of, fit_calibration, refuse_test_split
from roboreward.bench.calibration_measure import NAMES as CALIBRATION_NAMES
from roboreward.bench.calibration_page import (
    calibration_headline,
    calibration_notes,
    write_calibration_html,
)
from roboreward.bench.calibration_report import CalibrationReport, report_calibration
from roboreward.bench.config import RunConfig
from roboreward.bench.folder import RunResult, load_run, load_runs
from roboreward.bench.html import headline, write_report_html
from roboreward.bench.intervals import Estimate
from roboreward.bench.record import Record
from roboreward.bench.report import print_table, table_data
from roboreward.bench.run import run_bench
from roboreward.bench.summary import Compared, Summary, by_set, compare, summarize

__all__ = [
    "Answers",
    "CALIBRATION_NAMES",
    "CalibrationReport",
    "Compared",
    "Estimate",
    "Record",
    "RunConfig",
    "RunResult",
    "Summary",
    "answers_of",
    "by_set",
    "calibration_headline",
    "calibration_notes",
    "compare",
    "fit_calibration",
    "headline",
    "load_run",
    "load_runs",
    "print_table",
    "refuse_test_split",
    "report_calibration",
    "run_bench",
    "summarize",
    "table_data",
    "write_calibration_html",
    "write_report_html",
]
