"""The demo of `compactctl`: a recorded customer service session, lived through twice.

Without compact_otel the agent dies of its context window; with it the same agent finishes. Nothing
is simulated but the model's answers: the Agents SDK, HTTP, the context window and the error are
real (`compact_otel.testing`), and so is the session (`compact_otel.demo.sample` says where it is
from).
"""
