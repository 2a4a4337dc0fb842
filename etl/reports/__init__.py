"""What people are told about the lake: mails to the owners of tables, and pages, each a single file."""
