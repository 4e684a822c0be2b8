"""`nadroute lint` and `nadroute rule` as people use them."""

import json
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from services.cli.lint.lint_command import lint_manifests, show_rule
from services.cli.lint.linting import lint
from services.network.lint.examples import EXAMPLES
from services.network.lint.rules import RULES

WRONG = EXAMPLES["NR105"].wrong


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Work in an empty folder."""
    monkeypatch.chdir(tmp_path)
    return tmp_path


def run(*arguments: str, text: str | None = None) -> Result:
    return CliRunner().invoke(lint_manifests, arguments, input=text, standalone_mode=False)


def test_a_finding_shows_its_place_and_its_line(folder: Path) -> None:
    """The place is that of the field in the JSON text."""
    (folder / "office.yaml").write_text(WRONG)
    ran = run("office.yaml")
    assert ran.return_value == 1
    assert ran.stdout.splitlines() == [
        "office.yaml:7:75 NR105 gateway: expected an address in cidr 10.0.0.0/24, got '10.0.1.1'",
        "  |",
        '7 | ode":"manual","cidr":"10.0.0.0/24","gateway":"10.0.1.1"}\'',
        "  |                                    ^ error: gateway-outside-cidr",
    ]
    assert ran.stderr == "Found 1 error.\n"


def test_a_folder_is_read_whole_and_advice_fails_nothing(folder: Path) -> None:
    """Hidden folders are left out, and so are files that are no manifests."""
    (folder / "nets" / ".git").mkdir(parents=True)
    (folder / "nets" / "office.yml").write_text(EXAMPLES["NR304"].wrong)
    (folder / "nets" / "README.md").write_text(WRONG)
    (folder / "nets" / ".git" / "old.yaml").write_text(WRONG)
    ran = run("nets")
    assert (ran.return_value, ran.stdout.count("NR304"), ran.stdout.count("NR105")) == (0, 1, 0)
    assert ran.stderr == "Found 1 advice.\n"


def test_standard_input_may_be_a_list() -> None:
    """As `kubectl get -o yaml` prints it, or a chart."""
    items = "".join(f"- {line}\n" if n == 0 else f"  {line}\n" for n, line in enumerate(WRONG.splitlines()))
    ran = run("-", "-o", "json", text=f"apiVersion: v1\nkind: List\nitems:\n{items}")
    (found,) = json.loads(ran.stdout)
    assert (found["file"], found["line"], found["code"], found["level"]) == ("<stdin>", 10, "NR105", "error")


def test_a_workflow_of_github_gets_annotations() -> None:
    """What would end a command there is escaped."""
    ran = run("-", "-o", "github", text=WRONG)
    assert ran.stdout.startswith("::error file=<stdin>,line=7,col=75,title=NR105::gateway: expected")


def test_a_rule_is_left_out_by_comment_option_and_settings(folder: Path) -> None:
    """By a comment on the line, for all or for some rules."""
    left_of = {"ignore NR105": 0, "ignore": 0, "ignore NR304": 1, "ignore: NR101, NR105": 0}
    for comment, left in left_of.items():
        text = WRONG.replace('"10.0.1.1"}\'', f'"10.0.1.1"}}\'  # nadroute: {comment}')
        assert len(lint([("f.yaml", text)])) == left, comment
    assert run("-", "--ignore", "NR105", text=WRONG).return_value == 0
    (folder / ".nadroute.yaml").write_text("ignore: [NR105]\n")
    assert run("-", text=WRONG).return_value == 0
    (folder / ".nadroute.yaml").unlink()
    (folder / "pyproject.toml").write_text('[tool.nadroute.lint]\nignore = ["NR105"]\n')
    assert run("-", text=WRONG).return_value == 0


@pytest.mark.parametrize(
    ("arguments", "named"),
    [(["--ignore", "NR999"], "NR999: no such rule"), (["nowhere"], "nowhere: no such file or folder")],
)
def test_a_wrong_option_is_named(arguments: list[str], named: str) -> None:
    """With what was expected, and nothing is linted."""
    ran = run(*arguments)
    assert named in str(ran.exception)


def test_a_file_that_ends_in_a_mistake_is_read_until_there(folder: Path) -> None:
    """What comes before it is checked."""
    (folder / "two.yaml").write_text(f"{WRONG}---\nspec: {{config: \n")
    ran = run("two.yaml", "-o", "json")
    assert [one["code"] for one in json.loads(ran.stdout)] == ["NR105", "NR001"]


@pytest.mark.parametrize("code", RULES)
def test_a_rule_explains_itself(code: str) -> None:
    """Why, with both examples."""
    said = CliRunner().invoke(show_rule, [code], standalone_mode=False).stdout
    assert RULES[code].why in said
    assert EXAMPLES[code].wrong.splitlines()[-1] in said
    assert code in CliRunner().invoke(show_rule, [], standalone_mode=False).stdout
