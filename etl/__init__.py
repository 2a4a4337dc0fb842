"""Feed ETL: landed event files to gated facts, dimensions, rollups and marts."""
