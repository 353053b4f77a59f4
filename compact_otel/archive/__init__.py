"""`compactctl archive`: what was compacted away, for those whom it belongs to."""
