"""What the server has handed out, as far as a later request can refer to it."""

from __future__ import annotations

import itertools
import secrets
import threading
from collections.abc import Mapping, Sequence
from typing import Any

from compact_otel.core.types import Item
from compact_otel.testing.errors import ApiError


class Ids:
    """Ids as OpenAI makes them: a prefix for the kind, then what no other server has."""

    def __init__(self) -> None:
        # A session may outlive a server; ids of two servers in one history must not collide.
        self._server = secrets.token_hex(8)
        self._numbers = itertools.count(1)
        self._lock = threading.Lock()

    def new(self, prefix: str) -> str:
        """Return a new id, such as `msg_4c1b...`."""
        with self._lock:
            return f"{prefix}_{self._server}{next(self._numbers):08x}"


class Memory:
    """Generated items, encrypted contents and server-managed chains.

    Attributes:
        stored: Generated items that can be referred to by id.
        unstored: Ids of generated items that cannot, because the request said `store=false`.
        reasoning_of: Id of a generated item -> id of the reasoning item it came with.
        encrypted: Every `encrypted_content` that was handed out.
    """

    def __init__(self) -> None:
        self.stored: dict[str, Item] = {}
        self.unstored: set[str] = set()
        self.reasoning_of: dict[str, str] = {}
        self.encrypted: set[str] = set()
        self._chains: dict[str, tuple[Item, ...]] = {}
        self._lock = threading.Lock()

    def chain(self, body: Mapping[str, Any]) -> tuple[Item, ...]:
        """Return the items that stand before those of the request.

        Any conversation id is taken for an existing, empty conversation: the endpoint that makes
        them is not part of this server.

        Raises:
            ApiError: If `previous_response_id` names no stored response.
        """
        previous = body.get("previous_response_id")
        if previous is None:
            return self._chains.get(conversation_of(body) or "", ())
        if previous not in self._chains:
            # Quoted: https://github.com/maximhq/bifrost/issues/2441
            raise ApiError(
                f"Previous response with id '{previous}' not found.",
                code="previous_response_not_found",
                param="previous_response_id",
            )
        return self._chains[previous]

    def keep(
        self,
        body: Mapping[str, Any],
        response_id: str,
        items: Sequence[Item],
        output: Sequence[Item],
    ) -> None:
        """Remember a response.

        Args:
            body: The request.
            response_id: Id of the response.
            items: All items of the request, its chain in front.
            output: The generated items.
        """
        stored = body.get("store") is not False
        conversation = conversation_of(body)
        reasoning = next((item["id"] for item in output if item["type"] == "reasoning"), None)
        with self._lock:
            for item in output:
                if stored:
                    self.stored[item["id"]] = item
                else:
                    self.unstored.add(item["id"])
                if item.get("encrypted_content"):
                    self.encrypted.add(item["encrypted_content"])
                if reasoning is not None and item["id"] != reasoning:
                    self.reasoning_of[item["id"]] = reasoning
            if stored:
                self._chains[response_id] = (*items, *output)
            if conversation is not None:
                self._chains[conversation] = (*items, *output)


def conversation_of(body: Mapping[str, Any]) -> str | None:
    """Return the conversation id of a request, which may come as an object with an `id`."""
    conversation = body.get("conversation")
    if isinstance(conversation, Mapping):
        conversation = conversation.get("id")
    return conversation if isinstance(conversation, str) else None
