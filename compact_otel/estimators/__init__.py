"""Token estimators: `tiktoken` for OpenAI's models, `noop` for tests. Nothing is imported here."""
