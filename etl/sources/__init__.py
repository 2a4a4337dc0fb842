"""Programs that write landing files: what simulators share, and importers of public logs."""
