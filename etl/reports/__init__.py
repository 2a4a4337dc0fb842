"""Pages people look at, made from rollups, marts, dimensions and the ledger; each a single file, no server."""
