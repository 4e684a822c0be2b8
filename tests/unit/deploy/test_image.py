"""The image: its contents, and the user that it runs as."""

import re
import tomllib

from tests.unit.deploy.reading import ROOT, compose, dockerfile, final_stage

PYPROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())


def test_the_wheel_is_the_services_and_nothing_else() -> None:
    """The wheel contains neither the lab nor the tests."""
    assert PYPROJECT["tool"]["hatch"]["build"]["targets"]["wheel"]["packages"] == ["services"]


def test_the_image_takes_the_services_dependencies_alone() -> None:
    """The image installs the extra `all`, without the embedded Redis, the lab and tools."""
    commands = " ".join(rest for word, rest in dockerfile() if word == "RUN").split("&&")
    (installed,) = [
        extra
        for command in commands
        if "--python /opt/nadroute/bin/python install" in command
        for extra in re.findall(r"nadroute\[(.*?)\]", command)
    ]
    assert installed == "all"
    (everything,) = PYPROJECT["project"]["optional-dependencies"]["all"]
    assert set(re.split(r"[\[\],]", everything)[1:-1]) == {"watcher", "updater", "prober", "flower", "cli"}


def test_what_is_copied_passes_the_ignore_file() -> None:
    """The ignore file admits exactly what the wheel is built from."""
    lines = [line for line in (ROOT / ".dockerignore").read_text().splitlines() if not line.startswith("#")]
    assert lines[0] == "*"
    admitted = {line.removeprefix("!") for line in lines if line.startswith("!")}
    copied = {
        source.removeprefix("./")
        for word, rest in dockerfile()
        if word == "COPY" and "--from" not in rest
        for source in rest.split()[:-1]
    }
    assert admitted == copied == {"pyproject.toml", "README.md", "LICENSE", "services", "scripts/compile.py"}
    assert all((ROOT / name).exists() for name in copied)


def test_the_license_is_named_everywhere_alike() -> None:
    """The package's metadata, the image's label and README name the license whose text is in LICENSE."""
    assert PYPROJECT["project"]["license"] == "Apache-2.0"
    assert PYPROJECT["project"]["license-files"] == ["LICENSE"]
    assert "Version 2.0, January 2004" in (ROOT / "LICENSE").read_text()
    assert "[Apache License 2.0](LICENSE)" in (ROOT / "README.md").read_text()
    (labels,) = [rest for word, rest in final_stage() if word == "LABEL"]
    assert 'org.opencontainers.image.licenses="Apache-2.0"' in labels


def test_the_final_stage_builds_nothing() -> None:
    """What runs comes from the build stage; the final one installs nothing and keeps no installer."""
    stage = final_stage()
    assert ("COPY", "--from=build /opt/nadroute /opt/nadroute") in stage
    runs = [rest for word, rest in stage if word == "RUN"]
    assert runs == ["pip uninstall --yes pip"]
    assert [word for word, _ in dockerfile()].count("FROM") == 2


def test_dependencies_are_not_compiled_and_nothing_is_cached() -> None:
    """Dependencies are installed as wheels, also those of the compiler, and pip leaves no cache."""
    built = [
        rest for word, rest in dockerfile() if word == "RUN" and re.search(r"pip.* (wheel|install) ", rest)
    ]
    assert len(built) == 2
    assert all("--only-binary=:all:" in run for run in built)
    assert all(run.count("--no-cache-dir") == len(re.findall(r"pip wheel| install ", run)) for run in built)


def test_the_engine_is_compiled_where_the_image_takes_it_from() -> None:
    """The compiled modules are in the folder that the final stage copies."""
    (compiled,) = [rest for word, rest in dockerfile() if word == "RUN" and "scripts/compile.py" in rest]
    assert re.search(r"/tools/bin/python scripts/compile.py\W+\$\(/opt/nadroute/bin/python ", compiled)


def test_the_image_runs_as_an_unprivileged_user_by_default() -> None:
    """The user is a number other than root, as runAsNonRoot requires; the entry point is `nadroute`."""
    stage = dict(final_stage())
    assert stage["USER"] == "65532:65532"
    assert stage["ENTRYPOINT"] == '["nadroute"]'


def test_one_image_for_all() -> None:
    """Every service of the Compose file except Redis runs the one image."""
    images = {service["image"] for name, service in compose()["services"].items() if name != "redis"}
    assert len(images) == 1
