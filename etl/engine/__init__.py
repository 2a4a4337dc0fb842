"""What every table shares: session, landing reader, gate, write modes, ledger, runner. None knows a particular table."""
