"""Reports about a lake: mails to the owners of tables and to on-call, and HTML pages, each a single file."""
