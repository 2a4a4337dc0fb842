"""A subject is a folder here: its events, columns, tables, named queries, dashboard and simulator."""
