"""The mail about new, open and resolved problems. On-call gets all of them, an owner only their own."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from email.message import EmailMessage

from etl.conf import Settings
from etl.engine.spark.files import absolute
from etl.engine.state.entry import code_version
from etl.reports import quality_advice as advice
from etl.reports.outbox import POLICY
from etl.reports.problems import Problem
from etl.reports.templates import templates

ON_CALL = "on-call"


@dataclass(frozen=True)
class Digest:
    """The content of the mail to one reader. `resolved` has id, title, owner and since of problems mailed before."""

    owner: str
    now: datetime
    new: list[Problem]
    lasting: list[Problem]
    resolved: list[dict[str, str]]

    @property
    def verdict(self) -> str:
        """The mail in one line: the only problem, or the number of problems of each kind."""
        news = [*(p.title for p in self.new), *(f"still: {p.title}" for p in self.lasting)]
        news += [f"resolved: {each['title']}" for each in self.resolved]
        if len(news) == 1:
            return news[0]
        counts = ((len(self.new), "new"), (len(self.lasting), "still open"), (len(self.resolved), "resolved"))
        return f"problems: {', '.join(f'{n} {word}' for n, word in counts if n)}"

    @property
    def worst(self) -> str:
        """`failed`; `warned` when only warnings are open; `passed` when all problems are resolved."""
        unresolved = [*self.new, *self.lasting]
        return "failed" if any(not p.is_warning for p in unresolved) else "warned" if unresolved else "passed"


def compose(settings: Settings, digest: Digest, people: list[str]) -> EmailMessage:
    """The mail as text and HTML."""
    facts = {
        "digest": digest,
        "lake": advice.shown(absolute(settings.lake)),
        "place": advice.place(settings),
        "code": code_version(),
    }
    mail = EmailMessage(policy=POLICY)
    mail["Subject"] = f"[feed-etl] {digest.owner}: {digest.verdict}"
    mail["From"], mail["To"] = settings.mail.sender, ", ".join(people)
    mail["Date"] = digest.now
    mail["Auto-Submitted"] = "auto-generated"
    mail.set_content(templates().get_template("problems.txt.j2").render(facts))
    mail.add_alternative(templates().get_template("problems.html.j2").render(facts), subtype="html")
    return mail
