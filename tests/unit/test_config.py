"""Unknown keys and values out of range are refused, with what is allowed."""

from __future__ import annotations

from pathlib import Path

import pytest

from seatrial.config import load_config, parse_config, read_resolved_config
from seatrial.errors import ConfigError


def test_names_follow_from_account_region_and_project() -> None:
    config = load_config(None, project="churn", account="210987654321", region="eu-west-1")
    assert config.bucket == "churn-210987654321-eu-west-1"
    registry = "210987654321.dkr.ecr.eu-west-1.amazonaws.com"
    assert config.images.toolbox == f"{registry}/churn-toolbox:latest"
    assert config.images.serving == f"{registry}/churn-serving:latest"
    assert config.roles.deploy == "arn:aws:iam::210987654321:role/churn-deploy"
    assert config.monitoring.alert_topic_arn == "arn:aws:sns:eu-west-1:210987654321:churn-alerts"


def test_a_file_is_laid_over_the_defaults(tmp_path: Path) -> None:
    path = tmp_path / "own.yaml"
    path.write_text("endpoint:\n  max_concurrency: 7\n", encoding="utf-8")
    config = load_config(path)
    assert config.endpoint.max_concurrency == 7
    assert config.endpoint.variant_name == "AllTraffic"


@pytest.mark.parametrize("name", ["dev.yaml", "prod.yaml"])
def test_the_files_that_come_along_can_be_used(name: str) -> None:
    from importlib.resources import files

    assert load_config(Path(str(files("seatrial.configs") / name))).project.startswith("seatrial-")


def test_an_unknown_key_is_named_with_its_neighbour(tmp_path: Path) -> None:
    path = tmp_path / "own.yaml"
    path.write_text("endpoint:\n  max_concurency: 7\n", encoding="utf-8")
    with pytest.raises(
        ConfigError, match=r"endpoint\.max_concurency.*Did you mean.*max_concurrency"
    ):
        load_config(path)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        pytest.param("endpoint: {memory_size_mb: 1500}", "1024, 2048", id="no such tier"),
        pytest.param("endpoint: {max_concurrency: 0}", "greater than 0", id="none at once"),
        pytest.param(
            "monitoring: {false_alert_every_windows: 1}",
            "greater than or equal to 2",
            id="always alarm",
        ),
        pytest.param("account: '123'", "should match", id="account"),
        pytest.param("- a\n- b", "not a mapping", id="a list"),
        pytest.param("a: [", "cannot read", id="not YAML"),
    ],
)
def test_a_bad_value_is_told_with_what_is_allowed(tmp_path: Path, text: str, said: str) -> None:
    path = tmp_path / "own.yaml"
    path.write_text(text, encoding="utf-8")
    with pytest.raises(ConfigError, match=said):
        load_config(path)


def test_nothing_scales_where_nothing_is_provisioned(tmp_path: Path) -> None:
    path = tmp_path / "own.yaml"
    path.write_text("warm: {mode: provisioned}", encoding="utf-8")
    with pytest.raises(ConfigError) as refused:
        load_config(path)
    for said in (str(path), "provisioned_concurrency: null", "1 or more", "none or pings"):
        assert said in str(refused.value)
    resolved = load_config(endpoint={"provisioned_concurrency": 1}, warm={"mode": "provisioned"})
    assert parse_config(resolved.model_dump(mode="json"), where="that") == resolved
    assert load_config(warm={"mode": "pings"}).endpoint.provisioned_concurrency is None


def test_a_missing_file_is_told(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"nope\.yaml"):
        load_config(tmp_path / "nope.yaml")


def test_the_resolved_configuration_reads_back_the_same(tmp_path: Path) -> None:
    config = load_config(None, endpoint={"environment": {"OMP_NUM_THREADS": "1"}})
    path = tmp_path / "config.yaml"
    path.write_text(config.to_yaml(), encoding="utf-8")
    assert read_resolved_config(path) == config
    assert read_resolved_config(path).sha256 == config.sha256
    assert load_config().sha256 != config.sha256
