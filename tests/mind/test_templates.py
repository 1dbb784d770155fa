"""The words that a modder may change: what is stronger, and what is said of mistakes."""

import pytest

from rfsn_bridge.domain import Action, Mood, Relationship, Style
from rfsn_bridge.errors import ConfigError
from rfsn_bridge.mind.templates import Prompts, builtin_prompts, load_prompts


def loaded(*files: str) -> Prompts:
    return load_prompts([(f"words{n}.yaml", text.encode()) for n, text in enumerate(files, 1)])


def refused(text: str) -> ConfigError:
    with pytest.raises(ConfigError) as caught:
        loaded(text)
    return caught.value


@pytest.mark.parametrize("small", [True, False])
def test_there_are_words_for_everything_an_npc_can_do_feel_and_be(small: bool) -> None:
    words = builtin_prompts().words("anyone", small=small)
    for section, names in (
        ("actions", Action),
        ("styles", Style),
        ("moods", Mood),
        ("relationships", Relationship),
    ):
        for each in names:
            words.fill(f"{section}.{each.value}", name="A")
    assert words.fill("rules", name="A")
    assert words.fill("styles.NEUTRAL_BALANCED") == words.fill("moods.neutral") == ""
    assert words.fill("actions.refuse")


def test_a_later_file_is_stronger_then_the_game_then_the_npc() -> None:
    first = """
        actions: {greet: one, agree: one, refuse: one, insult: one, flee: one}
        games: {skyrim: {actions: {insult: first game}}}
        npcs: {"jarl:1": {actions: {flee: first npc}}}
    """
    second = """
        actions: {agree: two, refuse: two, insult: two, flee: two}
        games: {Skyrim: {actions: {refuse: game, flee: game}}}
        npcs: {"jarl:1": {actions: {greet: npc}}}
    """
    words = loaded(first, second).words("jarl:1", "SKYRIM", small=True)
    said = {name: words.fill(f"actions.{name}") for name in ("greet", "agree", "refuse", "insult", "flee", "help")}
    assert said == {
        "greet": "npc",
        "agree": "two",
        "refuse": "game",
        "insult": "first game",
        "flee": "first npc",
        "help": builtin_prompts().words("", small=True).fill("actions.help"),
    }
    assert loaded(first, second).words("other", "oblivion", small=False).fill("actions.flee") == "two"


def test_a_text_may_be_changed_for_one_kind_of_model_alone() -> None:
    prompts = loaded("actions: {refuse: {short: Say no.}}")
    assert prompts.words("", small=True).fill("actions.refuse") == "Say no."
    assert prompts.words("", small=False).fill("actions.refuse") == (
        builtin_prompts().words("", small=False).fill("actions.refuse")
    )


def test_values_are_not_templates_and_lines_without_any_are_left_out() -> None:
    words = loaded(
        'note: "{place} {mood} now\\n({fight})\\n{{{action}}} {style}"\nactions: {greet: "As {name} would."}'
    ).words("", small=True)
    assert words.fill("note", place="{mood}", action="{x}", style="") == "{mood} now\n{{x}}"
    assert words.fill("actions.greet", name="{style}") == "As {style} would."


def test_examples_are_replaced_as_a_whole() -> None:
    text = "examples: {short: [{player: Ho!, npc: Ha!, action: greet, style: TERSE_DIRECT}]}"
    prompts = loaded(text, "npcs: {a: {examples: []}}")
    (only,) = prompts.words("b", small=True).examples
    assert (only.exchange.player_text, only.action, only.style) == ("Ho!", Action.GREET, Style.TERSE_DIRECT)
    assert prompts.words("a", small=True).own_examples == ()
    assert prompts.words("b", small=True).own_examples is None


def test_an_empty_file_or_section_changes_nothing() -> None:
    for text in ("", "actions:", "games:\nnpcs:", "games: {skyrim: }"):
        assert loaded(text).words("a", "skyrim", small=True).fill("speak") == "Speak."


@pytest.mark.parametrize(
    ("text", "message", "hint"),
    [
        (
            "actions:\n  refus: No.",
            "words1.yaml, line 2: there is no text actions.refus",
            "did you mean 'refuse'?",
        ),
        ("rulez: No.", "words1.yaml, line 1: there is no text rulez", "did you mean 'rules'?"),
        (
            "games:\n  skyrim:\n    styles:\n      TERSE: Short.",
            "words1.yaml, line 4: there is no text games.skyrim.styles.TERSE",
            "did you mean 'TERSE_DIRECT'?",
        ),
        ("npcs: {a: {npcs: {}}}", "words1.yaml, line 1: there is no text npcs.a.npcs", ""),
        (
            "speak: {shrt: Hm.}",
            "words1.yaml, line 1: there is no kind of prompt speak.shrt",
            "did you mean 'short'?",
        ),
        ("\nspeak: 3", "words1.yaml, line 2: speak must be a text", "put it in quotes"),
        ("rules: 'Be {nam}.'", "words1.yaml, line 1: rules has no placeholder {nam}", "{name}?"),
        ("rules: 'Be {gold}.'", "words1.yaml, line 1: rules has no placeholder {gold}", "{name}"),
        ("rules: 'Be {name.__class__}.'", "words1.yaml, line 1: rules holds {name.__class__}", "{{ and }}"),
        ("rules: 'Be {name!r}.'", "words1.yaml, line 1: rules holds {name}, which is no plain", "{{ and }}"),
        ("rules: 'Be {name:>9}.'", "words1.yaml, line 1: rules holds {name}, which is no plain", "{{ and }}"),
        ("rules: 'Be {}.'", "words1.yaml, line 1: rules holds {}", "{{ and }}"),
        ("rules: 'Be { .'", "words1.yaml, line 1: rules", "{{ and }}"),
        ("line: '({note})'", "words1.yaml, line 1: line lacks {line}", ""),
        ("memories: {one: x}", "words1.yaml, line 1: memories.one lacks {memory}", ""),
        ("actions: No.", "words1.yaml, line 1: actions needs keys of its own", ""),
        ("- rules", "words1.yaml: the file needs keys of its own", ""),
        ("rules: a\nrules: b", "words1.yaml, line 2: rules is set twice", "keep one"),
        ("a: &x b\nc: *x", "words1.yaml uses YAML aliases", ""),
        ("rules: !!python/object/apply:os.getcwd []", "words1.yaml, line 1: rules must be a text", ""),
        ("examples: [{player: Ho!}]", "words1.yaml, line 1: examples.0 needs `npc`", ""),
        (
            "examples:\n- {player: Ho!, npc: Ha!, action: greets}",
            "words1.yaml, line 2: there is no action examples.0.greets",
            "did you mean 'greet'?",
        ),
        ("examples: [{player: Ho!, npcs: Ha!}]", "words1.yaml, line 1: there is no key examples.0.npcs", "'npc'?"),
        ("examples: Ho!", "words1.yaml, line 1: examples must be a list", "{player: Good day., npc: Well met.}"),
    ],
)
def test_a_mistake_is_told_with_its_line_and_the_nearest_right_word(text: str, message: str, hint: str) -> None:
    error = refused(text)
    assert error.message.startswith(message)
    assert hint in error.hint


def test_a_text_without_end_is_refused() -> None:
    assert "longer than 4000 characters" in refused(f"rules: {'x' * 4001}").message
