"""Programs that make landing files: a feed simulator and importers of public logs."""
