"""The Grafana dashboard and the alert rules match the metrics that chatmail-httpd really
serves."""

import json
import re
import subprocess

import pytest
import yaml
from prometheus_client.openmetrics.parser import text_string_to_metric_families
from support.tree import BUILD, SOURCE
from test_httpd import httpd, running  # noqa: F401 (fixtures)

MONITORING = SOURCE / "packaging/monitoring"
DASHBOARD = MONITORING / "grafana-chatmail.json"
ALERTS = MONITORING / "chatmail-alerts.yml"
MANUAL = SOURCE / "docs/manual.md"

# Keywords of PromQL and labels that Prometheus adds; every other word outside quotes is a metric.
WORDS = set(
    "sum min max by on and or unless offset rate increase time histogram_quantile label_values".split()
)
PROMETHEUS_LABELS = {"job", "instance", "le"}
PROMETHEUS_METRICS = {"up"}


def dashboard_queries():
    dashboard = json.loads(DASHBOARD.read_text())
    panels = [p for p in dashboard["panels"] if p["type"] != "row"]
    assert len(panels) >= 15
    queries = [t["expr"] for p in panels for t in p["targets"]]
    return queries + [v["definition"] for v in dashboard["templating"]["list"] if "definition" in v]


def alert_rules():
    groups = yaml.safe_load(ALERTS.read_text())["groups"]
    return [rule for group in groups for rule in group["rules"]]


def served(server):
    """{sample name: {label: {values}}}"""
    result = {}
    for family in text_string_to_metric_families(server.get()[2]):
        for sample in family.samples:
            labels = result.setdefault(sample.name, {})
            for label, value in sample.labels.items():
                labels.setdefault(label, set()).add(value)
    return result


def names_of(query):
    """The metrics of a query, each with its matchers."""
    grouping = r"\b(?:by|on)\s*\([^)]*\)"
    bare = re.sub(r"\[[^\]]*\]", "", re.sub(grouping, "", query))
    bare = re.sub(r"offset \w+|\$\w+", "", bare)
    for match in re.finditer(r"\b([a-zA-Z_]\w*)\b(?:\{[^}]*\})?", re.sub(r'"[^"]*"', blank, bare)):
        name = match.group(1)
        if name not in WORDS | PROMETHEUS_LABELS:
            original = bare[match.start() : match.end()]
            yield name, re.findall(r'(\w+)\s*(?:=~|!~|!=|=)\s*"([^"]*)"', original)


def blank(match):
    """Keeps the length, so that positions in the text stay valid."""
    return " " * len(match.group())


def check(query, metrics):
    found = list(names_of(query))
    assert found, query
    for name, matchers in found:
        if name in PROMETHEUS_METRICS:
            continue
        assert name in metrics, f"{name} is not served: {query}"
        for label, value in matchers:
            if label in PROMETHEUS_LABELS:
                continue
            assert label in metrics[name], f"{name} has no label {label}: {query}"
            for alternative in value.split("|"):
                assert alternative in metrics[name][label], f"{name}: no {label}={alternative}: {query}"


def test_checker_reports_faults(running):  # noqa: F811
    metrics = served(running)
    check('sum by (reason) (rate(chatmail_login_failures_total{reason=~"internal|blocked"}[5m])) > 0', metrics)
    for wrong in (
        "sum(rate(chatmail_nonsense_total[5m]))",
        'chatmail_logins_total{reason="internal"}',
        'chatmail_login_failures_total{reason=~"internal|nonsense"}',
        "chatmail_logins > 0",
    ):
        with pytest.raises(AssertionError):
            check(wrong, metrics)


def test_dashboard_names_only_existing_metrics(running):  # noqa: F811
    metrics = served(running)
    for query in dashboard_queries():
        check(query, metrics)


def test_dashboard_shows_every_metric(running):  # noqa: F811
    shown = {re.sub(r"_bucket$", "_count", name) for query in dashboard_queries() for name, _ in names_of(query)}
    families = {re.sub(r"_(bucket|sum)$", "_count", name) for name in served(running)}
    assert families <= shown


def test_no_metric_name_has_two_meanings(running, tmp_path):  # noqa: F811
    """One Prometheus may read chatmail-httpd and, through node_exporter, the report."""
    ini = tmp_path / "report.ini"
    ini.write_text(f"[params]\nmail_domain = relay.test\nmailboxes_dir = {tmp_path}\n")
    report = subprocess.run(
        [BUILD / "ctl/chatmailctl", "report", "-c", ini, "--prometheus", "-"],
        stdout=subprocess.PIPE,
        text=True,
        check=True,
    ).stdout
    reported = set(re.findall(r"^(chatmail_\w+)", report, re.MULTILINE))
    assert "chatmail_accounts" in reported
    assert not reported & served(running).keys()


def test_panels_do_not_overlap():
    taken = set()
    for panel in json.loads(DASHBOARD.read_text())["panels"]:
        place = panel["gridPos"]
        assert place["x"] + place["w"] <= 24
        cells = {
            (x, y)
            for x in range(place["x"], place["x"] + place["w"])
            for y in range(place["y"], place["y"] + place["h"])
        }
        assert not cells & taken, panel["title"]
        taken |= cells


def test_alerts_name_only_existing_metrics(running):  # noqa: F811
    metrics = served(running)
    rules = alert_rules()
    assert len(rules) >= 10
    for rule in rules:
        check(rule["expr"], metrics)
        assert rule["labels"]["severity"] in ("page", "ticket")
        assert rule["annotations"]["summary"]


def test_alerts_name_sections_of_the_manual():
    headings = {line.lstrip("#").strip() for line in MANUAL.read_text().splitlines() if line.startswith("#")}
    for rule in alert_rules():
        section = re.search(r"Manual: (.*?)\.?$", rule["annotations"]["description"])
        assert section, rule["alert"]
        assert section.group(1) in headings, rule["alert"]
