"""The dashboards are such that they show something wherever they are put, and say what it means."""

import json
import os
import re
import shutil
import subprocess
from itertools import combinations
from pathlib import Path

import pytest
import yaml

from tests.collector.dashboards import BOARDS, documented, expressions, panels
from tests.collector.names import NAMES
from tests.collector.programs import FOLDER

PANELS = [
    pytest.param(panel, id=f"{name}: {panel['title']}")
    for name, board in BOARDS.items()
    for panel in panels(board)
]
LABELS = {
    *("job", "instance", "le"),  # Prometheus's own
    *("gen_ai_request_model", "error_type", "compact_event_name"),
    *(name.replace(".", "_") for name in NAMES),
}
UNITS = r"(?:_seconds|_bytes)?(?:_total|_bucket|_sum|_count)"
TRACEQL = [
    target["query"]
    for board in BOARDS.values()
    for panel in panels(board)
    for target in panel["targets"]
    if target["datasource"]["type"] == "tempo"
]


@pytest.mark.parametrize("board", BOARDS.values(), ids=list(BOARDS))
def test_a_dashboard_can_be_provisioned_and_linked_to(board):
    assert re.fullmatch(r"compact-[a-z]+", board["uid"])
    assert board["editable"] is False
    assert board["schemaVersion"] == 41
    ids = [panel["id"] for panel in board["panels"]]
    assert len(set(ids)) == len(ids)
    for link in board["links"]:
        assert link["url"].removeprefix("/d/") in {other["uid"] for other in BOARDS.values()}


@pytest.mark.parametrize("panel", PANELS)
def test_a_panel_says_what_it_shows_and_what_a_bad_value_means(panel):
    assert panel["title"]
    assert len(panel["description"]) > 40
    assert panel["fieldConfig"]["defaults"]["unit"]
    assert panel["targets"]


@pytest.mark.parametrize("board", BOARDS.values(), ids=list(BOARDS))
def test_no_panel_covers_another(board):
    for one, other in combinations([panel["gridPos"] for panel in board["panels"]], 2):
        apart = (
            one["x"] + one["w"] <= other["x"]
            or other["x"] + other["w"] <= one["x"]
            or one["y"] + one["h"] <= other["y"]
            or other["y"] + other["h"] <= one["y"]
        )
        assert apart, (one, other)
    assert all(panel["gridPos"]["x"] + panel["gridPos"]["w"] <= 24 for panel in board["panels"])


@pytest.mark.parametrize("board", BOARDS.values(), ids=list(BOARDS))
def test_data_sources_are_for_the_viewer_to_choose(board):
    variables = {v["name"]: v for v in board["templating"]["list"]}
    chosen = {
        f"${{{name}}}": v["query"] for name, v in variables.items() if v["type"] == "datasource"
    }
    asked = [
        *board["panels"],
        *(target for panel in panels(board) for target in panel["targets"]),
        *(v for v in variables.values() if v["type"] == "query"),
    ]
    for source in (one["datasource"] for one in asked if one.get("type") != "row"):
        assert chosen[source["uid"]] == source["type"]


@pytest.mark.parametrize(("title", "expression"), expressions())
def test_an_expression_asks_for_metrics_that_we_tell_of_the_chosen_service(title, expression):
    metrics = {name.replace(".", "_") for name in NAMES} | {"compact_spans_events"}
    selectors = re.findall(r"(\w+)\{([^}]*)\}", expression)
    assert selectors, title
    for name, selector in selectors:
        assert re.sub(rf"{UNITS}$", "", name) in metrics, name
        assert 'job=~"$job"' in selector
    labels = set(re.findall(r"(\w+)(?:=~|!=|=)\"", expression))
    for group in re.findall(r"by \(([^)]*)\)", expression):
        labels |= {label.strip() for label in group.split(",")}
    assert labels <= LABELS
    assert "$conversation" not in expression, "metrics do not carry ids"


@pytest.mark.parametrize("query", TRACEQL)
def test_a_query_for_traces_asks_for_what_spans_tell(query):
    told = {
        name.removeprefix("event.") for name in re.findall(r"\b(?:event\.)?compact\.[\w.]+", query)
    }
    assert told <= NAMES
    assert 'span.gen_ai.conversation.id = "$conversation"' in query
    assert "\\" not in query, "the grammar knows no escapes"


_PARSE = """
const { parser } = require(process.argv[1]);
const queries = JSON.parse(require("fs").readFileSync(0));
const broken = (query) => {
  let found = false;
  parser.parse(query).iterate({ enter: (node) => { found ||= node.type.isError; } });
  return found;
};
console.log(JSON.stringify(queries.filter(broken)));
"""


def test_queries_for_traces_are_such_that_grafana_can_read_them():
    grammar, node = os.environ.get("COMPACT_TEST_TRACEQL"), shutil.which("node")
    if not grammar or not node:
        pytest.skip("without node or COMPACT_TEST_TRACEQL, which .ci/programs makes with npm")
    done = subprocess.run(
        [node, "--eval", _PARSE, Path(grammar).resolve()],
        input=json.dumps([*TRACEQL, *documented("traceql"), "{ broken ==="]),
        capture_output=True,
        text=True,
        timeout=60,
        check=True,
    )
    assert json.loads(done.stdout) == ["{ broken ==="]


def test_what_is_provisioned_are_the_sources_of_the_compose_file():
    provisioning = FOLDER / "grafana" / "provisioning"
    sources = yaml.safe_load((provisioning / "datasources" / "datasources.yaml").read_text())
    known = {source["uid"]: source for source in sources["datasources"]}
    hosts = {source["url"].split("/")[2].split(":")[0] for source in known.values()}
    services = yaml.safe_load((FOLDER / "compose.yaml").read_text())["services"]
    assert hosts <= services.keys()
    (exemplars,) = known["prometheus"]["jsonData"]["exemplarTraceIdDestinations"]
    assert exemplars["datasourceUid"] in known
    (dashboards,) = yaml.safe_load((provisioning / "dashboards" / "dashboards.yaml").read_text())[
        "providers"
    ]
    mounts = dict(volume.split(":")[:2] for volume in services["grafana"]["volumes"])
    assert mounts["./grafana/dashboards"] == dashboards["options"]["path"]
