"""The provider's own compaction: what stands for the items is an item that only it can read.

OpenAI's `responses.compact` answers with users' messages and one encrypted item, which hold more of
a conversation than a note of the same length: https://developers.openai.com/api/docs/guides/compaction
The other side of that: nobody can look inside. So the facts of what goes stand beside it in plain
words, as behind any summary; and it goes only to the model and server that it came from.
"""

from __future__ import annotations

import asyncio

from opentelemetry.trace import TracerProvider

from compact_otel.core.errors import SummaryError
from compact_otel.core.types import Summary, SummaryRequest
from compact_otel.summarizers.openai_call import Caller

NOTICE = "What was said and done before stands in the compaction item in front."
"""The prose of such a summary."""

_RETRIES = 2


class NativeSummarizer:
    """Asks the agent's own provider to compact, through the client of the agent's model.

    Every request is a span `chat {model}` below `compact_context`, with the tokens it cost.

    Args:
        timeout: Seconds for all of it. Stay below `summarizer.timeout` of the configuration, or a
            slow answer counts as one that hangs.
        tracer_provider: Where spans go; None for the global provider.
    """

    name = "native"
    native = True

    def __init__(
        self, *, timeout: float = 50.0, tracer_provider: TracerProvider | None = None
    ) -> None:
        self._timeout = timeout
        self._caller = Caller("responses", tracer_provider)

    async def summarize(self, request: SummaryRequest) -> Summary:
        """Return what the provider made of the items, with a notice as its text.

        Raises:
            SummaryError: If there is no answer; `reason` says why.
        """
        if request.native is None:
            raise SummaryError("the provider of this call does not compact", reason="bad_request")
        client, asked = request.native()
        client = client.with_options(max_retries=_RETRIES)
        with self._caller.span(client, asked["model"]) as told:
            try:
                async with asyncio.timeout(self._timeout):
                    opaque, usage = await self._caller.compact(client, asked, told)
            except TimeoutError as error:
                raise SummaryError(
                    f"no answer within {self._timeout:.1f} s: raise `summarizer.timeout`",
                    reason="timeout",
                ) from error
            if not opaque:  # or the notice would stand alone
                raise SummaryError("no compaction came back", reason="malformed", usage=usage)
        return Summary(NOTICE, model=asked["model"], usage=usage, opaque=opaque)
