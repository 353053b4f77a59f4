"""Every expression of the dashboards and rules, on what a real Prometheus scraped of a real run."""

import pytest
import yaml

from tests.collector.agent import ROUNDS
from tests.collector.dashboards import documented, expressions, filled_in
from tests.collector.programs import FOLDER, SERVICE, get_json, wait_for

RULES = FOLDER / "prometheus" / "rules" / "compact.yml"


@pytest.mark.parametrize(("title", "expression"), expressions())
def test_every_panel_has_data(title, expression, query):
    found = query(filled_in(expression))
    assert found, title
    assert any(point["value"][1] not in ("NaN", "0") for point in found), f"{title}: all is zero"


@pytest.mark.parametrize("expression", documented("promql"))
def test_every_expression_of_the_documentation_has_data(expression, query):
    assert query(expression)


@pytest.mark.parametrize(
    "rule", yaml.safe_load(RULES.read_text())["groups"][0]["rules"], ids=lambda rule: rule["alert"]
)
def test_every_alert_asks_for_what_is_there(rule, query):
    expression, bound = rule["expr"].rsplit(">", 1)
    assert float(bound) >= 0
    assert query(expression), "without its bound it must find something"


def test_of_this_run_the_lost_calls_and_the_uncompacted_ones_are_alerts(observed, query):
    assert query("compact_rescues_total")

    def rules():
        (group,) = get_json(f"{observed.prometheus}/api/v1/rules")["data"]["groups"]
        return {rule["name"]: rule["state"] for rule in group["rules"] if rule["health"] == "ok"}

    wanted = {"CompactionsFail": "pending", "RescueFailed": "firing", "CompactionsSlow": "inactive"}
    assert wait_for("alerts", lambda: rules() == wanted)


def test_rare_events_are_counted_from_the_first_one_on(query):
    """A counter is born with its first event: `increase` would say that nothing has happened."""
    panel = filled_in(dict(expressions())["Calls refused as too large"])

    def counted():
        found = query(panel)
        return {one["metric"]["compact_rescue_result"]: float(one["value"][1]) for one in found}

    wanted = {"recovered": ROUNDS, "failed": ROUNDS}
    assert wait_for("last scrape", lambda: counted() == wanted)


@pytest.mark.parametrize(
    "metric", ["compact_operation_duration_seconds_bucket", "compact_spans_duration_seconds_bucket"]
)
def test_a_point_of_a_curve_leads_to_a_trace(metric, observed, query):
    assert query("compact_operation_duration_seconds_count")
    answer = get_json(
        f"{observed.prometheus}/api/v1/query_exemplars",
        query=f'{metric}{{job="{SERVICE}"}}',
        start=0,
        end=2**32,
    )
    labelled = [one["labels"] for series in answer["data"] for one in series["exemplars"]]
    assert {span["traceId"] for span in observed.spans()} & {one["trace_id"] for one in labelled}


def test_the_collector_says_how_it_is_itself(query):
    assert query("otelcol_receiver_accepted_spans")
