"""Sends the mails of the outbox for several commands."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING

from etl.commands.cli_context import CliContext, errors
from etl.errors import FeedEtlError

if TYPE_CHECKING:
    from etl.operations.retention.action import Action

log = logging.getLogger("feed_etl")


def send(cli: CliContext) -> None:
    """Send the mails of the outbox. Mails that cannot be sent stay there, and a message says so."""
    if waiting := flush(cli):
        errors.print(f"[yellow]not sent yet[/] {waiting}", soft_wrap=True)


def flush(cli: CliContext) -> str:
    """Send the mails of the outbox. Returns why mails are left, or an empty text when none are left."""
    from etl.reports import smtp
    from etl.reports.outbox import Outbox

    outbox, server = Outbox(cli.settings), smtp.server()
    if not server:
        waiting = len(outbox.waiting())
        errors.print(
            f"No SMTP server is configured ({' or '.join(smtp.VARIABLES)}); {waiting} mails in {outbox.folder}."
        )
        return ""
    done = outbox.send(server)
    errors.print(f"{len(done.sent)} sent, {len(done.waiting)} waiting, {len(done.refused)} refused by {server}.")
    return f"{len(done.waiting)} mails wait in {outbox.folder}; {server} replied: {done.reason}" if done.waiting else ""


def mail_held(cli: CliContext, actions: list[Action], complete: bool = True) -> None:
    """Mail owners and on-call about the actions that need --yes, and about those that do not need it any more.

    `complete`: whether these are all actions of a maintenance. If a mail fails, a line is logged: the maintenance is
    done, and the next `report failures` writes the mail.
    """
    from etl.reports import held_log, notify, problem_search

    try:
        if held_log.write(cli.settings, actions, complete):
            notify.write(cli.settings, lambda: problem_search.find(cli.spark, cli.settings))
            send(cli)
    except (OSError, FeedEtlError) as why:
        log.warning("held actions could not be mailed: %s", why)
