"""What keeps the lake small and true: retention, compaction, removal of what no version needs, trimming."""
