"""A real Prometheus reads chatmail-httpd, answers the dashboard's queries and evaluates the
alerts."""

import json
import subprocess
import urllib.parse
import urllib.request

import pytest
import yaml
from support.ports import free_ports
from test_httpd import count, httpd, running, wait_for  # noqa: F401 (fixtures)
from test_monitoring import ALERTS, MONITORING, alert_rules, dashboard_queries


class Prometheus:
    """A separate Prometheus that scrapes one chatmail-httpd every second."""

    def __init__(self, directory, target):
        self.directory = directory
        self.url = f"http://127.0.0.1:{free_ports(1)[0]}"
        config = yaml.safe_load((MONITORING / "prometheus-chatmail.yml").read_text())
        job = config["scrape_configs"][0]
        job["scrape_interval"] = "1s"
        job["static_configs"] = [{"targets": [target]}]
        config["rule_files"] = [str(ALERTS)]
        config["global"] = {"evaluation_interval": "1s"}
        (directory / "prometheus.yml").write_text(yaml.safe_dump(config))

    def __enter__(self):
        self.process = subprocess.Popen(
            [
                "prometheus",
                f"--config.file={self.directory}/prometheus.yml",
                f"--storage.tsdb.path={self.directory}/data",
                f"--web.listen-address={self.url.removeprefix('http://')}",
                "--log.level=warn",
            ]
        )
        return self

    def __exit__(self, *exception):
        self.process.terminate()
        self.process.wait()

    def api(self, path, **parameters):
        query = urllib.parse.urlencode(parameters)
        with urllib.request.urlopen(f"{self.url}/api/v1/{path}?{query}") as answer:
            return json.load(answer)["data"]

    def query(self, expression):
        return self.api("query", query=expression)["result"]

    def value(self, expression):
        try:
            result = self.query(expression)
        except OSError:  # not listening yet
            return None
        return float(result[0]["value"][1]) if result else None


def test_prometheus_reads_every_metric(running, tmp_path):  # noqa: F811
    count(running.directory, "LOGINS", 5, "VERDICT_IN_ARMOR", 2, "MILTER_CHECK_MICROSECONDS", 900)
    with Prometheus(tmp_path, f"127.0.0.1:{running.port}") as prometheus:
        wait_for(lambda: prometheus.value("up") == 1, "the first scrape")
        wait_for(lambda: prometheus.value("chatmail_logins_total") == 5, "the first sample")
        count(running.directory, "LOGINS", 2)
        wait_for(lambda: prometheus.value("chatmail_logins_total") == 7, "the next sample")
        armor = 'chatmail_milter_verdicts_total{direction="in",reason="armor"}'
        assert prometheus.value(armor) == 2
        assert prometheus.value('chatmail_milter_check_seconds_bucket{le="0.001024"}') == 1
        assert prometheus.value('chatmail_milter_check_seconds_bucket{le="0.000512"}') == 0
        target = prometheus.api("targets")["activeTargets"][0]
        assert (target["health"], target["lastError"]) == ("up", "")
        metadata = prometheus.api("metadata")
        assert metadata["chatmail_milter_check_seconds"][0]["unit"] == "seconds"

        for query in dashboard_queries():
            if query.startswith("label_values"):
                continue
            query = query.replace("$__rate_interval", "1m").replace("$job", ".+")
            if "increase" not in query and "rate" not in query:
                assert prometheus.query(query), query
            else:
                prometheus.query(query)  # raises unless Prometheus understands it

        wait_for(lambda: prometheus.api("rules")["groups"], "the rules")
        wait_for(
            lambda: all(r["health"] == "ok" for r in prometheus.api("rules")["groups"][0]["rules"]),
            "their first evaluation",
        )


# The counts of a healthy relay in a day, and the changes that trigger each alert. A value "a+bxn"
# begins at a and grows by b each minute, n times.
GROWING = "0+60x1500"
ZERO = "0x1500"
HEALTHY = {
    "up": "1x1500",
    'chatmail_milter_verdicts_total{direction="in",reason="encrypted"}': GROWING,
    'chatmail_milter_verdicts_total{direction="in",reason="dkim-temporary"}': "0+1x1500",
    'chatmail_milter_verdicts_total{direction="out",reason="internal"}': ZERO,
    'chatmail_milter_check_seconds_bucket{le="0.001024"}': GROWING,
    'chatmail_milter_check_seconds_bucket{le="4.194304"}': GROWING,
    'chatmail_milter_check_seconds_bucket{le="+Inf"}': GROWING,
    "chatmail_logins_total": GROWING,
    'chatmail_login_failures_total{reason="internal"}': ZERO,
    'chatmail_registration_refusals_total{reason="load"}': ZERO,
    'chatmail_registration_refusals_total{reason="internal"}': ZERO,
    'chatmail_registration_refusals_total{reason="rate"}': "0+10x1500",
    "chatmail_push_queued_total": GROWING,
    "chatmail_push_sent_total": GROWING,
    "chatmail_push_retries_total": ZERO,
    "chatmail_push_token_gone_total": ZERO,
    "chatmail_push_dropped_total": ZERO,
    "chatmail_push_collapsed_total": ZERO,
    # 60 a minute make 18,000 in 5 h, and some fail all the time
    "chatmail_push_queue_length": "800x1500",
    "chatmail_push_queue_age_seconds": "17900x1500",
    "chatmail_expire_last_run_timestamp_seconds": "60000x1500",
    "chatmail_counting_since_timestamp_seconds": "-1000000x1500",
}
ALARMING = {
    "ChatmailMetricsDown": {"up": "0x1500"},
    "ChatmailMilterTrouble": {
        'chatmail_milter_verdicts_total{direction="out",reason="internal"}': "0+1x1500"
    },
    "ChatmailDnsTrouble": {
        'chatmail_milter_verdicts_total{direction="in",reason="dkim-temporary"}': "0+6x1500"
    },
    "ChatmailMilterSlow": {'chatmail_milter_check_seconds_bucket{le="0.001024"}': ZERO},
    "ChatmailLoginTrouble": {'chatmail_login_failures_total{reason="internal"}': "0+1x1500"},
    "ChatmailNoLogins": {"chatmail_logins_total": "0+60x1380 82800x120"},
    "ChatmailRegistrationsShortOfResources": {
        'chatmail_registration_refusals_total{reason="load"}': "0+1x1500"
    },
    "ChatmailRegistrationTrouble": {
        'chatmail_registration_refusals_total{reason="internal"}': "0+1x1500"
    },
    "ChatmailRegistrationFlood": {
        'chatmail_registration_refusals_total{reason="rate"}': "0+100x1500"
    },
    "ChatmailPushStalled": {"chatmail_push_sent_total": ZERO},
    "ChatmailPushQueueOld": {"chatmail_push_queue_length": "1000x1500"},
    "ChatmailExpireMissing": {"chatmail_expire_last_run_timestamp_seconds": "-200000x1500"},
}


def series(values):
    """Series in Prometheus' notation, with the instance and job that it adds to each."""
    for name, value in values.items():
        labels = name.partition("{")[2].rstrip("}")
        added = 'instance="relay",job="chatmail"' + ("," + labels if labels else "")
        yield {"series": f"{name.partition('{')[0]}{{{added}}}", "values": value}


def judge(tmp_path, changes, expected):
    """Runs promtool: the number of series in the result of each alert's expression after 24
    hours."""
    test = {
        "interval": "1m",
        "input_series": list(series({**HEALTHY, **changes})),
        "promql_expr_test": [
            {
                "expr": f"count({rule['expr']})",
                "eval_time": "24h",
                "exp_samples": [{"labels": "{}", "value": 1}] if rule["alert"] in expected else [],
            }
            for rule in alert_rules()
        ],
    }
    path = tmp_path / "test.yml"
    path.write_text(yaml.safe_dump({"rule_files": [], "evaluation_interval": "1m", "tests": [test]}))
    result = subprocess.run(["promtool", "test", "rules", path], capture_output=True, text=True)
    assert result.returncode == 0, result.stdout + result.stderr


def test_promtool_accepts_the_rules():
    subprocess.run(["promtool", "check", "rules", ALERTS], check=True)


def test_every_alert_has_a_test():
    assert set(ALARMING) == {rule["alert"] for rule in alert_rules()}


def test_a_healthy_relay_triggers_no_alert(tmp_path):
    judge(tmp_path, {}, expected=())


def test_many_young_notifications_trigger_no_alert(tmp_path):
    changes = {
        "chatmail_push_queue_length": "5000x1500",
        "chatmail_push_queue_age_seconds": "800x1500",
    }
    judge(tmp_path, changes, expected=())


@pytest.mark.parametrize("alert", ALARMING)
def test_alert_is_triggered(tmp_path, alert):
    judge(tmp_path, ALARMING[alert], expected=(alert,))
