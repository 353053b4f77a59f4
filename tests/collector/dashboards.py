"""The queries of the dashboards, with Grafana's variables filled in, and those of the docs."""

import json
import re

from tests.collector.programs import FOLDER, ROOT

BOARDS = {
    file.stem: json.loads(file.read_text())
    for file in sorted((FOLDER / "grafana" / "dashboards").glob("*.json"))
}

_VALUES = {
    "$__rate_interval": "1m",
    "$__range": "5m",
    "$job": "support",
    "$instance": ".*",
    "$model": ".*",
}


def panels(board):
    """Return the panels that show something: all but the headings."""
    return [panel for panel in board["panels"] if panel["type"] != "row"]


def expressions():
    """Return (title, PromQL) of every query to Prometheus."""
    return [
        (panel["title"], target["expr"])
        for board in BOARDS.values()
        for panel in panels(board)
        for target in panel["targets"]
        if "expr" in target
    ]


def filled_in(expression):
    """Return a query as Grafana would send it."""
    for name, value in _VALUES.items():
        expression = expression.replace(name, value)
    return expression


def documented(language):
    """Return the queries in that language that docs/OBSERVABILITY.md gives, one a line."""
    text = (ROOT / "docs" / "OBSERVABILITY.md").read_text()
    blocks = re.findall(rf"```{language}\n(.*?)\n```", text, re.DOTALL)
    return [line for block in blocks for line in block.splitlines()]
