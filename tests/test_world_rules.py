"""Packs of world rules, from a plugin and from a file, at work in a mind as config.yaml asks for it."""

import shutil
from pathlib import Path

import httpx
import pytest
from daemon_process import attempt
from lending import Lender

from rfsn_bridge import config, registry
from rfsn_bridge.domain import Action, Mood, Npc, NpcState, Personality, Signal
from rfsn_bridge.errors import ConfigError
from rfsn_bridge.mind.decide import Mind
from rfsn_bridge.mind.events import Said
from rfsn_bridge.mind.rule_files import builtin_rules
from rfsn_bridge.mind.rules_lint import lint
from rfsn_bridge.mind.state import apply_transition
from rfsn_bridge.snapshot import build_mind

EXAMPLE = Path(__file__).parents[1] / "examples" / "world_rules_night_guards"


def mind(folder: Path, rules: str = "[night_guards]", options: str = "{}") -> Mind:
    """The mind of a config.yaml in `folder`, with the plugins beside it."""
    path = folder / "config.yaml"
    path.write_text(f"mind: {{learner: greedy, rules: {rules}, options: {options}}}\n", encoding="utf-8")
    settings = config.load(path)
    services = Lender(httpx.AsyncClient(), folder).services()
    return build_mind(settings, registry.discover(folder / "plugins"), services)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A player's folder with the example installed as its comment says."""
    shutil.copytree(EXAMPLE, tmp_path / "plugins")
    return tmp_path


def rule_ids(built: Mind) -> list[str]:
    return [each.id for each in [*built.world.rules.rules, *built.world.rules.proposals]]


def chosen(built: Mind, signal: Signal, state: NpcState) -> Action:
    """The action that scores best."""
    npc = Npc("a", "A", personality=Personality())
    return built.weigh(npc, built.world.hear(state, {signal: 1.0})).ranked[0].action


def test_the_pack_of_a_plugin_is_merged_into_the_built_in_rules(folder: Path) -> None:
    built = mind(folder)
    names = rule_ids(built)
    ours = [each.id for each in (*builtin_rules().rules, *builtin_rules().proposals)]
    assert [name for name in names if not name.startswith("guards.")] == [name for name in ours if name != "sulks"]
    assert {"guards.flattery", "guards.draw_steel"} <= set(names)
    assert built.world.rules.revision != builtin_rules().revision


def test_it_changes_what_things_do_and_what_is_done_about_them(folder: Path) -> None:
    built = mind(folder)
    rules, calm = built.world.rules, NpcState()
    assert apply_transition(calm, Said(Signal.GREET), rules).affinity == pytest.approx(0.02)
    assert apply_transition(calm, Said(Signal.THREATEN), rules).mood is Mood.ANGRY
    assert apply_transition(calm, Said(Signal.COMPLIMENT), rules).trust == calm.trust
    assert chosen(built, Signal.GREET, calm) is Action.INQUIRE
    assert chosen(built, Signal.OFFER, calm) is Action.REFUSE
    plain = mind(folder, "[]")
    assert chosen(plain, Signal.GREET, calm) is Action.GREET
    assert chosen(plain, Signal.OFFER, calm) is not Action.REFUSE


def test_the_example_lints_clean(folder: Path) -> None:
    assert lint(mind(folder).world.rules) == ()
    assert attempt("rules", "lint", EXAMPLE / "night_guards.yaml").stdout.endswith("no errors, no warnings\n")


def test_a_yaml_file_is_named_without_a_plugin(folder: Path) -> None:
    by_plugin = mind(folder)
    shutil.move(folder / "plugins" / "night_guards.yaml", folder / "guards.yaml")
    by_file = mind(folder, "[guards.yaml]")
    assert rule_ids(by_file) == rule_ids(by_plugin)
    assert by_file.world.rules.revision == by_plugin.world.rules.revision
    assert rule_ids(mind(folder, f"['{(folder / 'guards.yaml').as_posix()}']")) == rule_ids(by_file)


def test_packs_count_in_the_order_of_the_config(folder: Path) -> None:
    (folder / "late.yaml").write_text(
        "rules:\n  - {id: hears.greet, on: {signal: greet}, change: {affinity: -0.5}, floor: {affinity: -1}}\n"
        "  - {id: late, on: {signal: greet}, change: {mood: sad}}\n",
        encoding="utf-8",
    )
    for rules, affinity in (("[night_guards, late.yaml]", -0.5), ("[late.yaml, night_guards]", 0.02)):
        built = mind(folder, rules)
        after = apply_transition(NpcState(), Said(Signal.GREET), built.world.rules)
        assert after.affinity == pytest.approx(affinity) and after.mood is Mood.SAD
    assert mind(folder, "[night_guards, late.yaml]").world.rules.revision != built.world.rules.revision


def test_a_pack_takes_away_what_one_before_it_gave(folder: Path) -> None:
    (folder / "off_duty.yaml").write_text("remove: [guards.flattery, guards.move_along]\n", encoding="utf-8")
    names = rule_ids(mind(folder, "[night_guards, off_duty.yaml]"))
    assert not {"guards.flattery", "guards.move_along"} & set(names) and "guards.draw_steel" in names
    with pytest.raises(ConfigError, match=r"off_duty\.yaml, line 1: remove: there is no rule or proposal"):
        mind(folder, "[off_duty.yaml, night_guards]")


def test_a_mistake_in_a_pack_is_told_with_its_file_and_line(folder: Path) -> None:
    path = folder / "plugins" / "night_guards.yaml"
    path.write_text("rules:\n  - {id: a, on: {signal: greet}, chnge: {affinity: 0.1}}\n", encoding="utf-8")
    with pytest.raises(ConfigError, match=r"night_guards.yaml, line 2: there is no key rules.0.chnge.*'change'"):
        mind(folder)


@pytest.mark.parametrize(
    ("rules", "says"),
    [("[nigth_guards]", "did you mean 'night_guards'"), ("[none.yaml]", "none.yaml cannot be read")],
)
def test_a_pack_that_is_not_there_is_told(rules: str, says: str, folder: Path) -> None:
    with pytest.raises(ConfigError, match=says):
        mind(folder, rules)


def test_considerations_and_weights_of_ones_own_come_from_beside_the_config(folder: Path) -> None:
    (folder / "mine.yaml").write_text(
        "considerations: [{id: silence, actions: ignore, input: one, weight: 3}]\n", encoding="utf-8"
    )
    assert chosen(mind(folder, "[]"), Signal.GREET, NpcState()) is Action.GREET
    quiet = mind(folder, "[]", "{utility: {considerations: [mine.yaml]}}")
    assert chosen(quiet, Signal.GREET, NpcState()) is Action.IGNORE
    loud = mind(folder, "[]", "{utility: {considerations: [mine.yaml], weights: {silence: -3}}}")
    assert chosen(loud, Signal.GREET, NpcState()) is Action.GREET
