"""What all tables share: session, reader, gate, write modes, ledger, runner. No table is named here."""
