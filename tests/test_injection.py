"""Untrusted text stays text in SQL and in mail addresses. Pages and mails have their own tests in reports/."""

from __future__ import annotations

import pytest
from pydantic import TypeAdapter, ValidationError
from pyspark.sql import SparkSession
from support.local_lake import Simulated

from etl import queries
from etl.conf.sections import MailAddress
from etl.errors import FeedEtlError

CRLF = "x\r\nBcc: all@example.com\r\n\r\n<b>"
SQL = ("' OR '1'='1", "'); DROP TABLE fct_shares; --", "x' UNION SELECT * FROM fct_shares --", "\\' OR 1=1 --", ":end")


@pytest.mark.parametrize("text", SQL)
def test_a_query_parameter_is_bound_as_a_value(spark: SparkSession, simulated: Simulated, text: str) -> None:
    """No model has this name, so the query fails with 'served no viewer'."""
    with pytest.raises(FeedEtlError, match="served no viewer"):
        queries.run(spark, simulated.settings, "ranker_lift", control=text, treatment="v3.2.0").collect()


@pytest.mark.parametrize("address", [CRLF, "a@b\nBcc: c@d", "a@b, c@d", "A <a@b>", "a@b\r", "ä@b"])
def test_an_address_that_could_inject_a_mail_header_is_refused(address: str) -> None:
    with pytest.raises(ValidationError):
        TypeAdapter(MailAddress).validate_python(address)
