"""The SMTP connection has the format and the meaning of an Airflow connection."""

from __future__ import annotations

import json

import pytest

from etl.errors import ConfigError
from etl.reports import smtp
from etl.reports.smtp import Server


@pytest.fixture(autouse=True)
def nothing_set(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in smtp.VARIABLES:
        monkeypatch.delenv(name, raising=False)


CASES = {
    "smtp://mail.example.org": Server("mail.example.org"),
    "smtp://127.0.0.1:2525/?disable_ssl=true&disable_tls=true": Server("127.0.0.1", 2525, tls=False, starttls=False),
    "smtp://us%40er:p%2Fw@mail:587/?disable_ssl=True&timeout=5": Server("mail", 587, "us@er", "p/w", False, True, 5),
    "smtp://mail/?__extra__=%7B%22disable_ssl%22%3A+true%7D": Server("mail", tls=False),
    json.dumps({"conn_type": "smtp", "host": "mail", "port": 25, "login": "u", "password": "p"}): Server(
        "mail", 25, "u", "p"
    ),
    json.dumps({"host": "mail", "extra": {"disable_ssl": True, "disable_tls": True}}): Server(
        "mail", tls=False, starttls=False
    ),
    json.dumps({"host": "mail", "extra": '{"timeout": 3}'}): Server("mail", timeout=3),
}


@pytest.mark.parametrize("text", CASES)
def test_a_connection_is_parsed_from_uri_and_json(text: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AIRFLOW_CONN_SMTP_DEFAULT", text)
    assert smtp.server() == CASES[text]


def test_without_a_connection_there_is_no_server() -> None:
    assert smtp.server() is None


def test_the_variable_of_feed_etl_wins_over_airflow(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AIRFLOW_CONN_SMTP_DEFAULT", "smtp://airflow")
    monkeypatch.setenv("FEED_ETL_SMTP_URL", "smtp://ours")
    assert smtp.server() == Server("ours")


@pytest.mark.parametrize("text", ["mail:25", "http://u:secret@mail", "smtp://u:secret@:25", "{secret", "smtp://m:port"])
def test_the_error_of_a_bad_connection_hides_its_password(text: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("FEED_ETL_SMTP_URL", text)
    with pytest.raises(ConfigError, match="FEED_ETL_SMTP_URL is not an SMTP connection") as refused:
        smtp.server()
    assert "secret" not in str(refused.value)


def test_the_text_of_a_server_has_no_password() -> None:
    assert str(Server("mail", 0, "user", "secret")) == "mail:465"
