"""Simulated episodes: the real mind at work, the same every time."""

import json
from itertools import islice, pairwise
from pathlib import Path
from random import Random
from typing import Any

import pytest
from daemon_process import attempt, run
from fuzzing import default_mind

from rfsn_bridge.domain import Action, Npc, NpcState, Signal
from rfsn_bridge.episodes import episode_file, personas, phrases, starts
from rfsn_bridge.episodes.players import Answer, Line, Listened, Player, RandomPlayer
from rfsn_bridge.episodes.simulate import Stage
from rfsn_bridge.errors import BridgeError
from rfsn_bridge.mind.decide import Mind
from rfsn_bridge.mind.rewards import Heard


@pytest.fixture(scope="module")
def mind() -> Mind:
    return default_mind()


def played(mind: Mind, player: Player, turns: int, *, seed: str = "1", state: NpcState | None = None) -> list[Any]:
    """The turns of an episode as a reader gets them."""
    stage = Stage(mind, Npc("npc", "Npc"), player, seed, state or NpcState())
    lines = [episode_file.line_of(fields) for fields in stage.play(turns)]
    return [episode_file.Episode.model_validate_json(line) for line in lines]


class Says:
    """A player who says one thing again and again, and listens to the end."""

    def __init__(self, signal: Signal, text: str = "So it is.", verdict: float | None = None) -> None:
        self.signal, self.text, self.verdict = signal, text, verdict

    def speak(self, answer: Answer, rng: Random) -> Line:
        return Line(self.text, {self.signal: 1.0})

    def listen(self, answer: Answer, rng: Random) -> Listened:
        return Listened(Heard.ALL, self.verdict)


def test_the_same_seed_gives_the_same_file_byte_for_byte_however_many_processes_play(tmp_path: Path):
    files, config = [], tmp_path / "config.yaml"
    config.write_text("mind: {learner: linucb}\n")
    for number, (hash_seed, jobs) in enumerate((("1", "1"), ("77", "2"))):
        files.append(tmp_path / f"{number}.jsonl")
        done = run(
            *("simulate", "--npc", "lydia", "--npcs", "4", "--turns", "60", "--seed", "5", "--start", "varied"),
            *("-o", files[-1], "--config", config, "--data", tmp_path / "data", "--jobs", jobs),
            PYTHONHASHSEED=hash_seed,
        )
        assert done.returncode == 0, done.stderr
    first, second = (file.read_bytes() for file in files)
    assert first == second
    assert len(first.splitlines()) == 5 * 60


def test_another_seed_gives_another_episode(mind: Mind):
    one, other = (played(mind, personas.PERSONAS["erratic"], 30, seed=seed) for seed in ("1", "2"))
    assert [each.player_signal for each in one] != [each.player_signal for each in other]


def test_npcs_change_nothing_of_each_other(mind: Mind):
    alone = played(mind, personas.PERSONAS["rude"], 40, seed="a")
    played(mind, personas.PERSONAS["friendly"], 40, seed="b")
    assert played(mind, personas.PERSONAS["rude"], 40, seed="a") == alone


def test_a_line_holds_all_that_the_decision_was_made_from(mind: Mind):
    for each in played(mind, RandomPlayer(), 60):
        assert each.selected_action in each.scores and each.selected_action in each.candidates
        assert each.propensities[each.selected_action] == each.propensity
        assert sum(each.propensities.values()) == pytest.approx(1)
        assert each.style_propensities[each.style] == each.style_propensity
        assert sum(each.trace.why.values()) == pytest.approx(each.scores[each.selected_action], abs=1e-5)
        assert set(each.trace.vetoed).isdisjoint(each.scores)
        assert len(each.action_features) and len(each.style_features)


def test_the_fields_of_the_original_come_as_it_had_them(mind: Mind):
    stage = Stage(mind, Npc("npc", "Npc"), RandomPlayer(), "1")
    line = json.loads(episode_file.line_of(next(stage.play(3))))
    original = (
        *("turn", "timestamp", "player_signal", "state_before", "candidates", "scores", "bandit_key"),
        *("selected_action", "reward", "state_after"),
    )
    assert [name for name in line if name in original] == list(original)
    assert line["bandit_key"].startswith("neutral|stranger|2|")


def test_the_state_goes_on_from_turn_to_turn_but_for_what_the_game_does(mind: Mind):
    episodes = played(mind, Says(Signal.INSULT), 40)
    for before, after in pairwise(episodes):
        if not after.trace.events:
            assert after.state_before.affinity == before.state_after.affinity
            assert after.state_before.recent_sentiment == pytest.approx(
                before.state_after.recent_sentiment, abs=1.1
            )
    assert episodes[-1].state_after.affinity < -0.5


def test_the_heard_state_is_what_the_line_made_of_the_state_before(mind: Mind):
    for each in played(mind, RandomPlayer(), 40):
        heard = mind.world.hear(
            each.state_before.npc_state(), each.trace.signals, each.trace.last_action, each.personality
        )
        assert each.heard_state.affinity == pytest.approx(heard.state.affinity, abs=1e-5)
        assert (
            each.heard_state.mood is heard.state.mood and each.heard_state.relationship is heard.state.relationship
        )


def test_a_turn_is_worth_what_the_player_makes_of_it_next(mind: Mind):
    episodes = played(mind, Says(Signal.QUESTION, "No, I meant the other one."), 12)
    for each, following in pairwise(episodes):
        told = {"continued": 0.4, "correction": -0.7} if "continued" in each.trace.rewards else {}
        deeds = {"deeds": each.trace.rewards["deeds"]} if "deeds" in each.trace.rewards else {}
        assert each.trace.rewards == told | deeds, following
    assert episodes[0].style_reward == pytest.approx(-0.3)
    assert episodes[-1].trace.rewards.keys() <= {"deeds"}, "nobody spoke after it"


def test_a_verdict_counts_for_the_turn_that_it_is_about(mind: Mind):
    assert all(each.trace.rewards["feedback"] == 0.5 for each in played(mind, Says(Signal.GREET, verdict=0.5), 12))


def test_scripted_players_like_one_manner_better_than_another():
    rng = Random(3)
    friendly = personas.PERSONAS["friendly"]

    def cut_off(style: str) -> int:
        answer = Answer(Action.EXPLAIN, style, Signal.QUESTION, "...")  # type: ignore[arg-type]
        return sum(friendly.listen(answer, rng).heard is Heard.CUT_OFF for _ in range(300))

    assert cut_off("TERSE_DIRECT") > 2 * cut_off("WARM_FRIENDLY")


def test_the_traitor_turns_after_a_while():
    traitor, rng = personas.persona("traitor", Random(1)), Random(1)
    signals = [max(traitor.speak(Answer(), rng).signals.items(), key=lambda each: each[1])[0] for _ in range(300)]
    assert Signal.BETRAY not in signals[:30] and Signal.BETRAY in signals[120:]


def test_every_signal_action_and_player_has_its_words():
    assert all(phrases.said(signal, Random(0)) for signal in Signal)
    assert all(phrases.done(action) for action in Action)
    assert all(personas.persona(name, Random(0)).speak(Answer(), Random(0)).text for name in personas.NAMES)


def test_a_start_is_a_name_or_json():
    assert starts.start("ally", Random(0)).affinity == pytest.approx(0.8)
    assert starts.start('{"affinity": -0.9, "fear": 0.8}', Random(0)).relationship == "enemy"
    assert starts.start('{"relationship": "friend"}', Random(0)).affinity == pytest.approx(0.4)
    assert starts.start("terrified", Random(0)).combat_active


@pytest.mark.parametrize("text", ["frend", '{"affinity": 7}', '{"afinity": 0.1}', "[]", '{"trust": "much"}', "{"])
def test_a_wrong_start_is_one_sentence(text: str):
    with pytest.raises(BridgeError, match="give JSON like"):
        starts.start(text, Random(0))


def test_an_endless_episode_is_not_held_in_memory(mind: Mind):
    stage = Stage(mind, Npc("npc", "Npc"), RandomPlayer(), "1")
    assert len(list(islice(stage.play(10_000_000), 200))) == 200


def test_each_action_is_chosen_in_some_reachable_state(mind: Mind):
    missing, turns = set(Action), 0
    for number in range(1000):
        rng = Random(number)
        name = personas.NAMES[number % len(personas.NAMES)]
        npc = Npc(name, name, personality=starts.drawn_personality(rng))
        player = personas.persona(name, rng) if number % 3 else RandomPlayer()
        for fields in Stage(mind, npc, player, f"reach.{number}", starts.start("varied", rng)).play(50):
            missing.discard(fields["selected_action"])
            turns += 1
        if not missing:
            return
    raise AssertionError(f"never chosen in {turns} turns: {sorted(missing)}")


def test_unknown_players_are_answered_with_the_known_ones(tmp_path: Path):
    done = attempt("simulate", "--players", "nobody", "-o", tmp_path / "x.jsonl", "--data", tmp_path)
    assert done.returncode == 1 and "scripted, random, llm, friendly" in done.stderr
    assert not list(tmp_path.iterdir())
