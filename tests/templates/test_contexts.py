"""Templates and their context dataclasses agree: no name too few, none too many."""

from dataclasses import fields
from pathlib import Path
from typing import Any

import pytest
from jinja2 import meta, nodes

from app.clearing.states import RequestState, Result
from app.core.templating import environment, template_names
from app.devices.models import AgentState, DeviceState
from app.settings import ROOT

LAYOUT_NAMES = {"me", "nav", "deadline", "simulated", "version", "flash", "path"}
FRAMES = {"layout.html", "bare.html", "head.html"}
OTHERS = ("accounts/", "audit/", "login.html")
"""Written and tested with their features."""
FRAGMENTS = {"batches/changes.html": "batches/detail.html"}
"""Templates that render a part of a page anew, from the page's own context."""


def parse(name: str) -> nodes.Template:
    return environment().parse((ROOT / "templates" / name).read_text(encoding="utf-8"))


def own_names(tree: nodes.Template) -> set[str]:
    """What the template defines itself at its top: imports, macros, assignments."""
    names = {macro.name for macro in tree.find_all(nodes.Macro)}
    for imported in tree.find_all(nodes.FromImport):
        names |= {item[1] if isinstance(item, tuple) else item for item in imported.names}
    names |= {module.target for module in tree.find_all(nodes.Import)}
    for assign in tree.find_all(nodes.Assign):
        names |= {name.name for name in assign.target.find_all(nodes.Name)}
        if isinstance(assign.target, nodes.Name):
            names.add(assign.target.name)
    return names


def wanted_names(name: str) -> set[str]:
    """What the template and its includes want from outside."""
    tree = parse(name)
    names = meta.find_undeclared_variables(tree)
    for include in tree.find_all(nodes.Include):
        assert isinstance(include.template, nodes.Const)
        names |= wanted_names(include.template.value)
    return names - own_names(tree) - set(environment().globals)


def included(name: str) -> set[str]:
    found = set()
    for include in parse(name).find_all(nodes.Include):
        assert isinstance(include.template, nodes.Const)
        found |= {include.template.value} | included(include.template.value)
    return found


@pytest.mark.parametrize("name", template_names())
def test_every_template_compiles(name: str) -> None:
    assert environment().get_template(name).name == name


def test_every_page_has_a_sample(samples: dict[str, tuple[str, Any, dict[str, Any]]]) -> None:
    sampled = {template for template, _, _ in samples.values()}
    partials = {part for name in template_names() for part in included(name)}
    libraries = {
        *("macros.html", "words.html"),
        *("batches/parts.html", "devices/differences.html"),
    }
    pages = {name for name in template_names() if not name.startswith(OTHERS)}
    assert pages - partials - libraries - FRAMES - set(FRAGMENTS) == sampled


def test_a_template_uses_exactly_the_fields_of_its_context(
    samples: dict[str, tuple[str, Any, dict[str, Any]]],
) -> None:
    for template, context, _ in samples.values():
        declared = {field.name for field in fields(context)}
        assert not declared & LAYOUT_NAMES, template
        assert wanted_names(template) - LAYOUT_NAMES == declared, template


@pytest.mark.parametrize("fragment", FRAGMENTS)
def test_a_fragment_wants_what_its_page_has(fragment: str) -> None:
    assert wanted_names(fragment) == wanted_names(FRAGMENTS[fragment]) - LAYOUT_NAMES


@pytest.mark.parametrize("frame", ["layout.html", "bare.html"])
def test_the_frames_want_only_what_assembly_gives(frame: str) -> None:
    assert wanted_names(frame) <= LAYOUT_NAMES


def test_the_layout_uses_everything_but_the_path() -> None:
    assert wanted_names("layout.html") == LAYOUT_NAMES - {"path"}


@pytest.mark.parametrize(
    "state",
    [*RequestState, *Result, *DeviceState, *AgentState, "due", "running", "cleared", "locked"],
)
def test_every_state_has_a_badge(state: str) -> None:
    module: Any = environment().get_template("macros.html").module
    word = str(module.state_word(state))
    assert word
    assert word in str(module.badge(state))


def test_every_icon_used_exists() -> None:
    styles = (ROOT / "static/css/icons.css").read_text(encoding="utf-8")
    source = Path(ROOT / "templates/macros.html").read_text(encoding="utf-8")
    module: Any = environment().get_template("macros.html").module
    assert "STATES" in source
    icons = {icon for _, icon, _ in module.STATES.values()}
    assert {icon for icon in icons if f".i-{icon} {{" not in styles} == set()
