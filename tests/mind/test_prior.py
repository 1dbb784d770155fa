"""Where new NPCs begin: fitted from others' turns, as JSON, and better than nothing."""

import json
from random import Random

import pytest

from rfsn_bridge.mind.drift import PageHinkley
from rfsn_bridge.mind.estimators import Logged
from rfsn_bridge.mind.linear_ucb import LinearUcb
from rfsn_bridge.mind.prior import expansion, fit_prior, read_prior, read_start

ARMS = ("a", "b", "c")
FEATURES = ("bias", "affinity", "mood=angry", "mood=sad")
BEST = {0: "a", 1: "b", 2: "c"}


def context(rng: Random) -> tuple[int, tuple[float, ...]]:
    mood = rng.randrange(3)
    return mood, (1.0, rng.uniform(-1, 1), float(mood == 1), float(mood == 2))


def log(npcs: int = 8, turns: int = 60) -> list[Logged]:
    rng, rows = Random(1), []
    for npc in range(npcs):
        for _ in range(turns):
            mood, x = context(rng)
            arm = rng.choice(ARMS)
            rows.append(Logged(x, arm, 0.8 * (arm == BEST[mood]) + rng.gauss(0.3, 0.4), {}, str(npc)))
    return rows


def fitted(rows: list[Logged]) -> bytes:
    return fit_prior(
        {"style": rows, "action": []},
        {"style": ARMS, "action": ARMS},
        dict.fromkeys(("style", "action"), FEATURES),
    )


def test_a_newcomer_knows_at_once_what_others_learned() -> None:
    policy = LinearUcb().policy(ARMS, FEATURES, prior=read_prior(fitted(log()))["style"])
    rng = Random(2)
    right = 0
    for _ in range(200):
        mood, x = context(rng)
        right += policy.select(x, ARMS, (0.0,) * 3, rng).arm == BEST[mood]
    assert right > 180


def test_the_same_turns_give_the_same_bytes_and_kinds_without_turns_are_left_out() -> None:
    assert fitted(log()) == fitted(log())
    assert set(read_prior(fitted(log()))) == {"style"}


def test_one_npc_alone_gives_a_prior() -> None:
    assert read_prior(fitted(log(1, 20)))


@pytest.mark.parametrize("data", [b"", b"[]", b'{"version": 9}', b'{"version": 1}', b"\xff"])
def test_what_is_no_prior_is_refused(data: bytes) -> None:
    with pytest.raises(ValueError, match="no population prior"):
        read_prior(data)


def test_a_prior_of_other_arms_or_damaged_is_passed_over() -> None:
    part = read_prior(fitted(log()))["style"]
    assert read_start(part, ARMS[:2], FEATURES) is None
    assert read_start(part, ARMS, FEATURES[:3]) is None
    document = json.loads(part)
    document["models"][0]["mean"] = ["x"]
    assert read_start(json.dumps(document).encode(), ARMS, FEATURES) is None
    policy = LinearUcb().policy(ARMS, FEATURES, prior=b"nonsense")
    assert policy.select((1.0, 0.0, 0.0, 0.0), ARMS, (0.0,) * 3, Random(1)).arm in ARMS


def test_expanded_weights_predict_the_same() -> None:
    expanded, back = expansion(FEATURES)
    assert expanded == (*FEATURES, "mood=")
    x = (1.0, 0.5, 0.0, 0.0)
    assert (x @ back).tolist() == [1, 0.5, 0, 0, 1]


def test_a_change_of_the_mean_is_told_once_and_noise_is_not() -> None:
    rng, test = Random(3), PageHinkley(tolerance=0.2, threshold=12)
    assert not any([test.changed(rng.gauss(0, 0.5)) for _ in range(500)])
    assert sum(test.changed(rng.gauss(1.5, 0.5)) for _ in range(60)) == 1
