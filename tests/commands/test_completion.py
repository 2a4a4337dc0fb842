"""Completion of names, as bash and zsh ask for it. No Spark starts: the environment has no Java."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest
from support.command_line import FEED_ETL, feed_etl

from etl.commands import completion


def bash(line: str, **environment: str) -> list[str]:
    """What bash offers for the last word of a line."""
    words = line.split(" ")
    asked = {"_FEED_ETL_COMPLETE": "complete_bash", "COMP_WORDS": line, "COMP_CWORD": str(len(words) - 1)}
    return feed_etl(**asked, **environment).stdout.split()


@pytest.mark.parametrize(
    ("line", "offered"),
    [
        ("feed-etl run --table mart_p", ["mart_post_engagement_daily"]),
        ("feed-etl query virality --param post", ["post_id="]),
    ],
)
def test_bash_gets_names(line: str, offered: list[str], tmp_path: Path) -> None:
    assert bash(line, JAVA_HOME=str(tmp_path)) == offered


def names(words: completion.Words) -> list[str]:
    """The offered words without their help."""
    return [word if isinstance(word, str) else word[0] for word in words]


def test_every_kind_of_name_is_offered_by_how_it_begins() -> None:
    assert names(completion.tables("fct_sh")) == ["fct_shares"] and names(completion.tables("no_such")) == []
    assert names(completion.subjects("f")) == ["feed"]
    assert names(completion.events("shar")) == ["shares"]
    assert names(completion.queries("top_")) == ["top_ads", "top_creators"]


def test_columns_are_offered_after_the_dot() -> None:
    assert names(completion.columns("fct_sha")) == ["fct_shares"]
    assert names(completion.columns("fct_shares.ch")) == ["fct_shares.channel"]
    assert names(completion.columns("landing.shares.ch")) == ["landing.shares.channel"]


def test_zsh_gets_names_with_what_they_mean() -> None:
    done = feed_etl(_FEED_ETL_COMPLETE="complete_zsh", _TYPER_COMPLETE_ARGS="feed-etl query top_creators")
    assert '"top_creators":"Which creators had the most shares in the last hours?"' in done.stdout


def test_a_real_bash_completes_with_the_script_that_the_command_prints() -> None:
    script = (
        'source <("$0" --show-completion bash) && COMP_WORDS=(feed-etl describe fct_sh) COMP_CWORD=2'
        ' && _feed_etl_completion "$0" && echo "${COMPREPLY[*]}"'
    )
    environment = {"SHELL": "/bin/bash", "_TYPER_COMPLETE_TEST_DISABLE_SHELL_DETECTION": "1", "PATH": "/usr/bin:/bin"}
    done = subprocess.run(
        ["bash", "-c", script, FEED_ETL], capture_output=True, text=True, env=environment, timeout=60, check=False
    )
    assert done.stdout.strip() == "fct_shares", done.stderr
