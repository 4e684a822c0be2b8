"""Finding the kubeconfig."""

from pathlib import Path

import pytest

from services.cluster.credentials import find_kubeconfig
from services.contract.errors import ConfigurationError

IN_POD = {"KUBERNETES_SERVICE_HOST": "10.0.0.1"}


@pytest.fixture
def token(tmp_path: Path) -> Path:
    path = tmp_path / "token"
    path.write_text("t")
    return path


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    return tmp_path / "home"


def test_a_given_kubeconfig_comes_first(tmp_path: Path, token: Path) -> None:
    """It precedes the service account and $KUBECONFIG."""
    path = tmp_path / "given"
    path.write_text("x")
    environment = {**IN_POD, "KUBECONFIG": str(token)}
    assert find_kubeconfig(path, environment=environment, service_account_token=token) == str(path)


def test_in_a_pod_the_service_account_is_used(token: Path) -> None:
    """It is None, and precedes $KUBECONFIG."""
    environment = {**IN_POD, "KUBECONFIG": str(token)}
    assert find_kubeconfig(None, environment=environment, service_account_token=token) is None


def test_kubeconfig_may_list_several_files(tmp_path: Path, token: Path) -> None:
    """Those that exist are used."""
    listed = f"{token}:{tmp_path / 'absent'}"
    found = find_kubeconfig(None, environment={"KUBECONFIG": listed}, service_account_token=tmp_path / "no")
    assert found == str(token)


def test_the_last_resort_is_the_home_folder(home: Path, tmp_path: Path) -> None:
    """The default is ~/.kube/config."""
    path = home / ".kube" / "config"
    path.parent.mkdir(parents=True)
    path.write_text("x")
    assert find_kubeconfig(None, environment={}, service_account_token=tmp_path / "no") == str(path)


@pytest.mark.parametrize(
    ("given", "environment", "named"),
    [
        ("/nowhere/config", {}, "kubeconfig='/nowhere/config'"),
        (None, {"KUBECONFIG": "/nowhere/a:/nowhere/b"}, "KUBECONFIG='/nowhere/a:/nowhere/b'"),
        (None, {}, "KUBECONFIG is not set"),
    ],
)
def test_the_error_names_what_is_missing(
    home: Path, given: str | None, environment: dict[str, str], named: str
) -> None:
    """It lists every place that was tried."""
    with pytest.raises(ConfigurationError, match=named):
        find_kubeconfig(
            None if given is None else Path(given),
            environment=environment,
            service_account_token=Path("/nowhere/token"),
        )
