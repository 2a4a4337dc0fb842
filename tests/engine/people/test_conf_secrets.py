"""Secrets in conf/ are refused. Secrets from elsewhere reach Spark without showing up in the list of processes."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from etl import conf, secrets
from etl.errors import ConfigError
from etl.reports import smtp

SECRET = "wJalrXUtnFEMI-K7MDENG"
REFUSED = {
    "spark.hadoop.fs.s3a.secret.key": SECRET,
    "spark.hadoop.fs.s3a.access.key": SECRET,
    "spark.hadoop.fs.s3a.session.token": SECRET,
    "spark.hadoop.fs.s3a.bucket.feed.secret.key": SECRET,
    "spark.hadoop.fs.s3a.server-side-encryption.key": SECRET,
    "spark.hadoop.fs.azure.account.key.feed.dfs.core.windows.net": SECRET,
    "spark.hadoop.fs.azure.account.oauth2.client.secret": SECRET,
    "spark.hadoop.google.cloud.auth.service.account.private.key": SECRET,
    "spark.ssl.keyPassword": SECRET,
    "spark.ssl.keyStorePassword": SECRET,
    "spark.authenticate.secret": SECRET,
    "spark.executorEnv.DB_PASSWD": SECRET,
    "spark.driver.extraJavaOptions": f"-Xss4m -Djavax.net.ssl.trustStorePassword={SECRET}",
    "spark.hadoop.some.url": f"https://feed:{SECRET}@example.com/x",
    "spark.hadoop.some.id": "AKIAIOSFODNN7EXAMPLE",
    "spark.hadoop.some.pem": "-----BEGIN RSA PRIVATE KEY----- MII",
}
NOT_SECRET = {
    "spark.hadoop.fs.s3a.aws.credentials.provider": "org.apache.hadoop.fs.s3a.SimpleAWSCredentialsProvider",
    "spark.hadoop.hadoop.security.credential.provider.path": "jceks://file/etc/feed-etl/s3.jceks",
    "spark.authenticate": "true",
    "spark.authenticate.secretBitLength": "256",
    "spark.ssl.keyStore": "/etc/feed-etl/keys.jks",
    "spark.kubernetes.authenticate.oauthTokenFile": "/var/run/token",
    "spark.sql.shuffle.partitions": "8",
    "spark.hadoop.fs.s3a.endpoint": "http://127.0.0.1:9000",
    "spark.driver.extraJavaOptions": "-Xss4m -Dx.y=z",
    "spark.hadoop.parquet.enable.dictionary#session_key": "false",
}


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A copy of conf/ for one test; returns its local.yaml."""
    shutil.copytree(conf.home() / "conf", tmp_path / "conf")
    monkeypatch.setenv("FEED_ETL_HOME", str(tmp_path))
    return tmp_path / "conf" / "local.yaml"


@pytest.mark.parametrize("key", REFUSED)
def test_a_secret_in_conf_is_refused_and_the_error_names_its_key(home: Path, key: str) -> None:
    home.write_text(json.dumps({"spark": {key: REFUSED[key]}}))
    with pytest.raises(ConfigError, match=r"local\.yaml, key .*looks like a secret.*FEED_ETL_SPARK_FILE") as refused:
        conf.load()
    assert key in str(refused.value) and SECRET not in str(refused.value)


@pytest.mark.parametrize("key", ["lake", "landing", "master"])
def test_a_uri_with_a_password_is_refused_as_an_option_and_in_the_environment(
    home: Path, monkeypatch: pytest.MonkeyPatch, key: str
) -> None:
    uri = f"s3a://me:{SECRET}@bucket/x"
    with pytest.raises(ConfigError, match=key) as refused:
        conf.load("local", **{key: uri})
    assert SECRET not in str(refused.value)
    monkeypatch.setenv(f"FEED_ETL_{key.upper()}", uri)
    with pytest.raises(ConfigError, match=key):
        conf.load()


def test_settings_that_only_resemble_secrets_are_accepted(home: Path) -> None:
    home.write_text(json.dumps({"spark": NOT_SECRET}))
    assert conf.load().spark == NOT_SECRET


def test_no_conf_file_of_this_repository_contains_a_secret() -> None:
    for path in (conf.home() / "conf").glob("*.yaml"):
        assert conf.load(path.stem)


def test_a_secret_in_jvm_arguments_is_refused(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """From whatever source it comes: the list of processes would show it."""
    key = "spark.driver.extraJavaOptions"
    monkeypatch.setenv("FEED_ETL_SPARK", json.dumps({key: REFUSED[key]}))
    with pytest.raises(ConfigError, match="Arguments of a JVM"):
        conf.load()


def test_a_secret_file_that_others_can_read_is_refused(
    home: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = tmp_path / "spark.yaml"
    file.write_text(f"spark.hadoop.fs.s3a.secret.key: {SECRET}\n")
    monkeypatch.setenv("FEED_ETL_SPARK_FILE", str(file))
    file.chmod(0o640)
    with pytest.raises(ConfigError, match="chmod 600"):
        conf.load()
    file.chmod(0o600)
    assert conf.load().spark == {"spark.hadoop.fs.s3a.secret.key": SECRET}
    file.unlink()
    with pytest.raises(ConfigError, match="cannot be read"):
        conf.load()


def test_the_mail_server_url_can_come_from_a_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    file = tmp_path / "smtp"
    file.write_text(f"smtp://feed:{SECRET}@mail.example.com:25/\n")
    file.chmod(0o600)
    monkeypatch.delenv("FEED_ETL_SMTP_URL", raising=False)
    monkeypatch.setenv("FEED_ETL_SMTP_URL_FILE", str(file))
    server = smtp.server()
    assert server and server.password == SECRET


SESSION = """
import json, os, sys
from pathlib import Path
from etl import conf
from etl.engine.spark import session
spark = session.start(session.with_options(conf.load(master="local[1]"), session.SMALL_HOURS))
lines = [p.read_text(errors="replace") for p in Path("/proc").glob("[0-9]*/cmdline") if os.access(p, os.R_OK)]
hadoop = spark._jsc.hadoopConfiguration()
print(json.dumps({
    "java": sum("SparkSubmit" in line for line in lines),
    "shown": sum(sys.argv[1][::-1] in line for line in lines),
    "known": hadoop.get("fs.s3a.secret.key") == sys.argv[1][::-1],
    "password": spark.sparkContext.getConf().get("spark.ssl.keyPassword") == sys.argv[1][::-1],
    "umask": oct(os.umask(0)), "hadoop": hadoop.get("fs.permissions.umask-mode"),
}))
"""


def test_no_process_shows_a_secret_in_its_arguments(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Neither Python, nor its JVM, nor another process of this machine. Spark and Hadoop do get the secret."""
    secret_options = {"spark.hadoop.fs.s3a.secret.key": SECRET, "spark.ssl.keyPassword": SECRET}
    monkeypatch.setenv("FEED_ETL_SPARK", json.dumps(secret_options))
    command = [sys.executable, "-c", SESSION, SECRET[::-1]]
    done = subprocess.run(command, capture_output=True, text=True, timeout=600, check=True)
    result = json.loads(done.stdout.splitlines()[-1])
    assert result.pop("java") >= 1
    assert result == {"shown": 0, "known": True, "password": True, "umask": "0o77", "hadoop": "077"}


def test_the_name_decides_when_the_value_does_not_look_like_a_secret() -> None:
    assert not secrets.is_secret("spark.sql.key", "12")
    assert secrets.is_secret("x.password", "12345678")
