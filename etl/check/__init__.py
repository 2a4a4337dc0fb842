"""The ledger, Delta's logs, files and checksums against each other; what differs is named, and repaired when asked."""
