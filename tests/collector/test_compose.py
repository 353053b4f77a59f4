"""The compose file, which nobody can run where there is no container engine."""

import re

import pytest
import yaml

from tests.collector.programs import FOLDER

TEXT = (FOLDER / "compose.yaml").read_text()
SERVICES = yaml.safe_load(TEXT)["services"]
NO_CLIENT = {"collector", "jaeger", "tempo"}
"""Services whose image holds nothing that a health check could be made with."""


@pytest.mark.parametrize("name", SERVICES)
def test_a_service_is_pinned_bounded_and_for_this_machine_only(name):
    service = SERVICES[name]
    assert re.fullmatch(r"[\w./-]+:v?\d+\.\d+\.\d+", service["image"])
    assert service["mem_limit"]
    assert all(port.startswith("127.0.0.1:") for port in service["ports"])
    for volume in service.get("volumes", ()):
        source, _, mode = volume.split(":")
        assert (FOLDER / source).exists(), source
        assert mode == "ro"
    assert ("healthcheck" in service) == (name not in NO_CLIENT)


def test_no_port_is_published_twice():
    ports = [port.split(":")[1] for service in SERVICES.values() for port in service["ports"]]
    assert len(set(ports)) == len(ports)


def test_no_password_or_key_is_in_it():
    assert not re.search(r"password|secret|api_?key|token", TEXT, re.IGNORECASE)


def test_every_host_that_a_service_is_told_is_a_service():
    told = [TEXT, (FOLDER / "prometheus" / "prometheus.yml").read_text()]
    hosts = set(re.findall(r"[ \[/]([a-z]+):\d{4,5}\b", "".join(told)))
    assert hosts == {"collector", "jaeger", "tempo"}
    assert hosts <= SERVICES.keys()


def test_its_collector_is_the_version_that_the_tests_build():
    builder = yaml.safe_load((FOLDER / "builder-config.yaml").read_text())
    assert SERVICES["collector"]["image"].endswith(f"-contrib:{builder['dist']['version']}")
