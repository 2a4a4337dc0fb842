"""Output for people: only the selected columns, and numbers with few digits."""

import json

import pytest

from etl import terminal

ROWS = [{"metric": "like_rate", "lift": 0.12345678901, "dwell": 1417.25, "sum": 123456789.5, "reason": "it rises"}]


def test_a_table_has_the_selected_columns_and_short_numbers(capsys: pytest.CaptureFixture[str]) -> None:
    terminal.print_frame(["metric", "lift", "dwell", "sum"], ROWS, "table")
    shown = capsys.readouterr().out
    assert "reason" not in shown
    assert "it rises" not in shown
    assert all(number in shown for number in ("0.1235", "1417", "123456789.5"))


def test_json_and_csv_have_every_digit(capsys: pytest.CaptureFixture[str]) -> None:
    terminal.print_frame(["lift"], ROWS, "json")
    assert json.loads(capsys.readouterr().out) == [{"lift": 0.12345678901}]
    terminal.print_frame(["lift"], ROWS, "csv")
    assert capsys.readouterr().out == "lift\n0.12345678901\n"
