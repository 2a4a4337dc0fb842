"""Which options deltalake gets from the Spark settings of conf/."""

from __future__ import annotations

import pytest

from etl.engine.delta import offline


@pytest.mark.parametrize(
    ("spark", "options"),
    [
        ({}, {}),
        ({"endpoint": "s3.example.org"}, {"AWS_ENDPOINT_URL": "https://s3.example.org"}),
        (
            {"endpoint": "http://127.0.0.1:9000", "path.style.access": "true", "endpoint.region": "eu-west-1"},
            {"AWS_ENDPOINT_URL": "http://127.0.0.1:9000", "AWS_ALLOW_HTTP": "true", "AWS_REGION": "eu-west-1",
             "AWS_VIRTUAL_HOSTED_STYLE_REQUEST": "false"},
        ),
        ({"access.key": "a", "secret.key": "b"}, {"AWS_ACCESS_KEY_ID": "a", "AWS_SECRET_ACCESS_KEY": "b"}),
    ],
)  # fmt: skip
def test_settings_of_hadoops_client_become_options_of_deltalake(spark: dict[str, str], options: dict[str, str]) -> None:
    assert offline.storage_options({offline.HADOOP + name: value for name, value in spark.items()}) == options
