"""Each command explains itself, and the documents say what the commands do."""

from __future__ import annotations

import re
import shlex
from collections.abc import Iterator
from pathlib import Path

import click
import pytest

from edgecnn.cli import cli

ROOT = Path(__file__).resolve().parent.parent
DOCUMENTS = [ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md"))]


def walk(command: click.Command, path: tuple[str, ...]) -> Iterator[tuple[str, ...]]:
    """The names of every command that does something, groups excluded."""
    if isinstance(command, click.Group):
        context = click.Context(command)
        for name in command.list_commands(context):
            child = command.get_command(context, name)
            assert child is not None
            yield from walk(child, (*path, name))
    else:
        yield path


COMMANDS = list(walk(cli, ()))


def find(words: list[str]) -> tuple[click.Command, list[str]]:
    """The command that ``edgecnn WORDS`` calls, and what is left of the words."""
    command: click.Command = cli
    while words and isinstance(command, click.Group):
        child = command.get_command(click.Context(command), words[0])
        assert child is not None, f"no command {words[0]!r}"
        command, words = child, words[1:]
    return command, words


def unknown_options(line: str) -> list[str]:
    """Options in a command line that its command does not have.

    Args:
        line: such as ``edgecnn train photos --task faces``, as it stands in a document.
    """
    words = shlex.split(line, comments=True)
    command, rest = find(words[1:])
    known = {o for p in command.params for o in (*p.opts, *p.secondary_opts)}
    known |= {"--help", "-h"} | ({"--version"} if command is cli else set())
    # A word with a blank in it was quoted: options of another command, handed on.
    used = [w.partition("=")[0] for w in rest if re.match(r"--?[a-zA-Z]\S*$", w)]
    return [option for option in used if option not in known]


def command_lines(document: Path) -> list[str]:
    """What calls edgecnn in ``sh`` blocks (continuations joined) and between backticks."""
    text = document.read_text("utf-8")
    lines = [x for x in re.findall(r"`(edgecnn [^`\n]+)`", text) if "COMMAND" not in x]
    for block in re.findall(r"```sh\n(.*?)```", text, re.S):
        for line in block.replace("\\\n", " ").splitlines():
            bare = line.strip()
            if bare.startswith("edgecnn "):
                lines.append(re.split(r"\s[|>&]", bare)[0])
    return lines


def example_of(path: tuple[str, ...]) -> list[str]:
    command, _ = find(list(path))
    _, found, example = (command.help or "").replace("\b", "").partition("Example:")
    assert found, "the help has no Example: block"
    return [line.strip() for line in example.replace("\\\n", " ").splitlines() if line.strip()]


@pytest.mark.parametrize("path", COMMANDS, ids=" ".join)
def test_help_ends_in_an_example_that_fits_the_command(path: tuple[str, ...]) -> None:
    example = example_of(path)
    assert example and all(line.startswith("edgecnn ") for line in example)
    assert any(line.startswith(f"edgecnn {' '.join(path)}") for line in example)
    assert [option for line in example for option in unknown_options(line)] == []


@pytest.mark.parametrize("path", COMMANDS, ids=" ".join)
def test_help_keeps_the_lines_of_the_example(path: tuple[str, ...]) -> None:
    command, _ = find(list(path))
    context = click.Context(command, info_name=f"edgecnn {' '.join(path)}", max_content_width=100)
    shown = [line.strip() for line in command.get_help(context).splitlines()]
    assert set(example_of(path)) <= set(shown), "a \\b before Example: keeps click from wrapping it"


@pytest.mark.parametrize("path", COMMANDS, ids=" ".join)
def test_each_option_is_explained(path: tuple[str, ...]) -> None:
    command, _ = find(list(path))
    silent = [p.name for p in command.params if isinstance(p, click.Option) and not p.help]
    assert silent == []


@pytest.mark.parametrize("path", COMMANDS, ids=" ".join)
def test_each_command_stands_in_the_readme(path: tuple[str, ...]) -> None:
    assert f"edgecnn {' '.join(path)}" in (ROOT / "README.md").read_text("utf-8")


@pytest.mark.parametrize("document", DOCUMENTS, ids=lambda d: d.name)
def test_documents_use_options_that_exist(document: Path) -> None:
    wrong = {line: bad for line in command_lines(document) if (bad := unknown_options(line))}
    assert wrong == {}


def test_documents_hold_commands() -> None:
    assert len([line for d in DOCUMENTS for line in command_lines(d)]) >= len(COMMANDS)


@pytest.mark.parametrize("document", DOCUMENTS, ids=lambda d: d.name)
def test_links_between_documents_lead_somewhere(document: Path) -> None:
    links = re.findall(r"\]\((?!https?:|#)([^)#]+)", document.read_text("utf-8"))
    assert [link for link in links if not (document.parent / link).exists()] == []


def test_every_make_verb_in_the_readme_exists() -> None:
    makefile = (ROOT / "Makefile").read_text("utf-8")
    verbs = set(re.findall(r"(?:^|`)make ([a-z-]+)", (ROOT / "README.md").read_text("utf-8"), re.M))
    assert {"demo", "test"} <= verbs
    assert verbs <= set(re.findall(r"^([a-z-]+):", makefile, re.M))


@pytest.mark.parametrize("path", COMMANDS, ids=" ".join)
def test_every_option_stands_in_the_environment_as_it_is_typed(
    path: tuple[str, ...], monkeypatch: pytest.MonkeyPatch
) -> None:
    context = click.Context(cli, auto_envvar_prefix="EDGECNN")
    for word in path:
        assert isinstance(context.command, click.Group)
        command = context.command.get_command(context, word)
        assert command is not None
        context = click.Context(command, parent=context, info_name=word)
    for option in context.command.params:
        typed = max(option.opts, key=len).lstrip("-")
        if isinstance(option, click.Option) and option.envvar != "EDGECNN_KEY_FILE":
            monkeypatch.setenv("_".join(("EDGECNN", *path, typed)).replace("-", "_").upper(), "x")
            assert option.resolve_envvar_value(context) == "x", option.opts
