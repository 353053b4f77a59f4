"""The way back to what was compacted away: a tool for the agent, two functions for its developer.

    agent = Agent("clerk", tools=[recall_tool()])

A compaction leaves a transcript in the archive and a summary in the context. With the tool an agent
looks up in the one what the other does not say. Rules it keeps:

1. A run reads its own past only. No argument of the tool names a session; and whatever lies in the
   archive of the session, a transcript is read only if the history at hand continues it, by the key
   of its checkpoint. Two conversations under one id do not see each other's words, and what an
   application took out of a history does not come back.
2. What is found is what is not in the context: the items that the summary stands for.
3. An answer never has more tokens than were allowed, and quotes the record line by line: text from
   it can neither end the quotation nor pass for another entry.
4. Nothing raises into the run. The tool answers with a sentence, and the event says what failed.
"""

from compact_otel.core.frame import RECALL_TOOL
from compact_otel.core.protocols import ReadableArchive
from compact_otel.recall.archive import Answer, read_archive, search_archive
from compact_otel.recall.tool import recall_tool

__all__ = [
    "RECALL_TOOL",
    "Answer",
    "ReadableArchive",
    "read_archive",
    "recall_tool",
    "search_archive",
]
