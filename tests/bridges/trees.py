"""What the tests read off a finished trace."""

import re
from collections import Counter, defaultdict

APPLICATION = "application"
AGENTS = ("Clara", "Edgar")


class Tree:
    """Finished spans, by time of start.

    Args:
        spans: Those of all exporters.
        bridge: Whose they are, beside ours.
    """

    def __init__(self, spans, bridge):
        self.spans = sorted(spans, key=lambda span: span.start_time)
        self._by_id = {span.context.span_id: span for span in self.spans}
        self._model_span = re.compile(bridge.model_span)

    @property
    def decisions(self):
        return [span for span in self.spans if is_ours(span)]

    @property
    def model_spans(self):
        return [span for span in self.spans if self.is_model_span(span)]

    @property
    def trace_ids(self):
        return {span.context.trace_id for span in self.spans}

    def is_model_span(self, span):
        return not is_ours(span) and self._model_span.match(span.name) is not None

    def parent_of(self, span):
        return self._by_id[span.parent.span_id] if span.parent else None

    def agent_of(self, span):
        """Return which agent's span a span is below; the application's, if there is none.

        It is none's if the span of a model call lies between.
        """
        names = (*AGENTS, APPLICATION)
        while (span := self.parent_of(span)) is not None and not self.is_model_span(span):
            if found := [name for name in names if name in span.name]:
                return found[0]
        return None

    @property
    def agents(self):
        """How many decisions each agent has below its span."""
        return Counter(map(self.agent_of, self.decisions))

    @property
    def shape(self):
        """The names of all spans but ours, each with those above it; which is unordered."""
        return Counter(self._path(span) for span in self.spans if not is_ours(span))

    def _path(self, span):
        above = self.parent_of(span)
        return (*(self._path(above) if above is not None else ()), span.name)

    def check_each_decision_is_right_before_its_model_span(self):
        """Check that under each parent they take turns, and that ours ends before the other begins.

        Concurrent agents have parents of their own, so that turns are taken under each one.
        """
        siblings = defaultdict(list)
        for span in self.spans:
            if is_ours(span) or self.is_model_span(span):
                siblings[span.parent and span.parent.span_id].append(span)
        for parent, spans in siblings.items():
            assert parent in self._by_id, "its parent was exported, too"
            assert [is_ours(span) for span in spans] == [True, False] * (len(spans) // 2)
            for decision, model_span in zip(spans[::2], spans[1::2], strict=True):
                assert decision.end_time <= model_span.start_time


def is_ours(span):
    return span.name == "compact_context"
