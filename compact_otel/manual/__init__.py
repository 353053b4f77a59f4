"""`compactctl dry-run`, `diff` and `compact`: one compaction by hand, planned, shown or made."""
