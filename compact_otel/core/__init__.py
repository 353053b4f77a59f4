"""The rules of compaction, without I/O, clock, randomness, logging, environment or threads.

Everything here imports the standard library only. Whatever touches the world is asked for by
`compact_otel.core.flow` as an effect, and done by `compact_otel.manager`.
"""
