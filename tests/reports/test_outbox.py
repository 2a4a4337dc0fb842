"""The outbox with a real SMTP server: every person gets a mail once, and no mail is lost."""

from __future__ import annotations

import json
import os
import threading
from email.message import EmailMessage
from pathlib import Path

import pytest
from support.ports import free_port
from support.servers import smtp_server

from etl import conf
from etl.errors import ConfigError, MailError
from etl.reports import outbox, smtp
from etl.reports.outbox import Outbox, Sent

TWO = ("anna@example.org", "bert@example.org")


@pytest.fixture
def box(tmp_path: Path) -> Outbox:
    """An empty outbox."""
    return Outbox(conf.load("local", lake=str(tmp_path)))


def letter(*people: str, subject: str = "Hello") -> EmailMessage:
    """A mail to people."""
    made = EmailMessage(policy=outbox.POLICY)
    made["Subject"], made["From"], made["To"] = subject, "feed-etl@example.org", ", ".join(people)
    made.set_content("Text")
    return made


def send(box: Outbox, url: str, monkeypatch: pytest.MonkeyPatch) -> Sent:
    """Send the waiting mails as the command does."""
    monkeypatch.setenv("FEED_ETL_SMTP_URL", url)
    server = smtp.server()
    assert server
    return box.send(server)


def files(box: Outbox, place: str = "") -> list[str]:
    """Names of the mails in a folder of the outbox."""
    return sorted(p.name for p in (box.folder / place).glob("*.eml"))


def test_all_of_many_recipients_get_the_mail(box: Outbox, monkeypatch: pytest.MonkeyPatch) -> None:
    """An address that is too long for a header line gets it, too."""
    people = [f"recipient.number.{n}@example.org" for n in range(20)] + [f"{'x' * 60}@{'y' * 60}.org"]
    box.put("one", letter(*people))

    with smtp_server() as server:
        done = send(box, server.url, monkeypatch)

    assert done.sent == ["one.eml"]
    assert all(len(server.of(who)) == 1 for who in people)


def test_a_sent_mail_is_not_sent_again_and_has_no_outbox_header(box: Outbox, monkeypatch: pytest.MonkeyPatch) -> None:
    box.put("one", letter(*TWO))

    with smtp_server() as server:
        send(box, server.url, monkeypatch)
        again = send(box, server.url, monkeypatch)

    assert again == Sent()
    ((_, arrived),) = server.arrived
    assert arrived[outbox.ENVELOPE] is None
    assert (files(box), files(box, "sent")) == ([], ["one.eml"])


def test_mails_wait_while_the_server_is_down(box: Outbox, monkeypatch: pytest.MonkeyPatch) -> None:
    port = free_port()
    box.put("one", letter(*TWO))
    box.put("two", letter(*TWO))

    down = send(box, f"smtp://127.0.0.1:{port}/?disable_ssl=true&disable_tls=true", monkeypatch)
    assert (down.waiting, down.sent) == (["one.eml", "two.eml"], [])
    assert "refused" in down.reason
    with smtp_server(port) as server:
        assert send(box, server.url, monkeypatch).sent == ["one.eml", "two.eml"]


def test_a_kill_after_the_server_accepted_sends_the_mail_again_with_the_same_id(
    box: Outbox, monkeypatch: pytest.MonkeyPatch
) -> None:
    box.put("one", letter(*TWO))

    with smtp_server() as server:
        with monkeypatch.context() as killed:
            killed.setattr(os, "replace", lambda *_: (_ for _ in ()).throw(KeyboardInterrupt))
            with pytest.raises(KeyboardInterrupt):
                send(box, server.url, monkeypatch)
        send(box, server.url, monkeypatch)

    first, second = server.of(TWO[0])
    assert first["Message-ID"] == second["Message-ID"]
    assert files(box) == []


def test_a_kill_while_writing_leaves_no_partial_mail_to_send(box: Outbox, monkeypatch: pytest.MonkeyPatch) -> None:
    with monkeypatch.context() as killed:
        killed.setattr(os, "fsync", lambda *_: (_ for _ in ()).throw(KeyboardInterrupt))
        with pytest.raises(KeyboardInterrupt):
            box.put("one", letter(*TWO))

    assert box.waiting() == []
    assert box.put("one", letter(*TWO))


def test_a_mail_of_the_same_name_is_written_once_even_after_it_was_sent(
    box: Outbox, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert box.put("one", letter(*TWO))
    assert box.put("one", letter(*TWO)) is None
    with smtp_server() as server:
        send(box, server.url, monkeypatch)
    assert box.put("one", letter(*TWO)) is None


def test_a_temporary_refusal_is_retried_and_the_others_get_the_mail_once(
    box: Outbox, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A full mailbox (452)."""
    box.put("one", letter(*TWO))

    with smtp_server() as server:
        server.refuse = {TWO[1]: "452 full"}
        assert send(box, server.url, monkeypatch).waiting == ["one.eml"]
        server.refuse = {}
        send(box, server.url, monkeypatch)

    assert [people for people, _ in server.arrived] == [[TWO[0]], [TWO[1]]]


def test_a_permanent_refusal_is_recorded_and_the_others_get_the_mail(
    box: Outbox, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A mailbox that does not exist (550)."""
    box.put("one", letter(*TWO))

    with smtp_server() as server:
        server.refuse = {TWO[1]: "550 nobody here"}
        done = send(box, server.url, monkeypatch)

    assert (done.sent, done.refused, done.waiting) == (["one.eml"], ["one.eml"], [])
    assert f"{outbox.ENVELOPE}: {TWO[1]}\r\n" in (box.folder / "refused" / "one.eml").read_bytes().decode()
    assert len(server.of(TWO[0])) == 1


def test_a_refused_mail_does_not_block_the_next_one(box: Outbox, monkeypatch: pytest.MonkeyPatch) -> None:
    box.put("one", letter("nobody@example.org"))
    box.put("two", letter(*TWO))

    with smtp_server() as server:
        server.refuse = {"nobody@example.org": "550 no"}
        done = send(box, server.url, monkeypatch)

    assert (done.sent, done.refused) == (["two.eml"], ["one.eml"])


def test_a_file_that_is_no_mail_moves_to_refused(box: Outbox, monkeypatch: pytest.MonkeyPatch) -> None:
    box.put("one", letter(*TWO))
    (box.folder / "junk.eml").write_bytes(b"\xff\x00 no mail")

    with smtp_server() as server:
        done = send(box, server.url, monkeypatch)

    assert (done.sent, files(box, "refused"), files(box)) == (["one.eml"], ["junk.eml"], [])


def test_concurrent_senders_send_each_mail_once(box: Outbox, monkeypatch: pytest.MonkeyPatch) -> None:
    for n in range(10):
        box.put(f"mail {n}", letter(*TWO))

    with smtp_server() as server:
        threads = [threading.Thread(target=send, args=(box, server.url, monkeypatch)) for _ in range(3)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()

    assert len(server.arrived) == 10


def test_sent_mails_are_deleted_after_keep_days(box: Outbox, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("old", "new"):
        box.put(name, letter(*TWO))
    with smtp_server() as server:
        send(box, server.url, monkeypatch)
        os.utime(box.folder / "sent" / "old.eml", (0, 0))
        send(box, server.url, monkeypatch)

    assert files(box, "sent") == ["new.eml"]


def test_the_outbox_is_in_the_lake_or_in_an_absolute_folder(monkeypatch: pytest.MonkeyPatch) -> None:
    """The outbox does not depend on the working directory."""
    assert Outbox(conf.load("local", lake="file:///srv/lake/")).folder == Path("/srv/lake/_outbox")
    monkeypatch.setenv("FEED_ETL_MAIL", json.dumps({"sender": "a@b.org", "outbox": "/srv/mail", "keep_days": 1}))
    assert Outbox(conf.load("local", lake="s3a://bucket/lake")).folder == Path("/srv/mail")
    monkeypatch.setenv("FEED_ETL_MAIL", json.dumps({"sender": "a@b.org", "outbox": "mail", "keep_days": 1}))
    with pytest.raises(ConfigError, match=r"mail\.outbox.*absolute path"):
        conf.load("local")


def test_a_remote_lake_needs_a_local_outbox() -> None:
    with pytest.raises(ConfigError, match=r"s3a://bucket/lake/_outbox is not local.*mail\.outbox"):
        Outbox(conf.load("local", lake="s3a://bucket/lake"))


def test_an_outbox_that_cannot_be_written_raises_an_error(box: Outbox) -> None:
    box.folder.write_text("a file")
    with pytest.raises(MailError, match="cannot be written"):
        box.put("one", letter(*TWO))


def test_a_mail_name_cannot_leave_the_outbox_folder(box: Outbox) -> None:
    path = box.put("../../evil", letter(*TWO))
    assert path and path.parent == box.folder
