"""What another policy would have earned in a recording, and what all NPCs have learned in it.

A learner is judged as it would have come to know each NPC: line by line it says how likely it would have taken
each arm, and only then learns from what was done.
"""

from collections import OrderedDict
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import asdict, dataclass
from itertools import islice
from random import Random
from typing import Any, Literal

from rfsn_bridge.domain import Npc, Style
from rfsn_bridge.episodes.episode_file import Episode
from rfsn_bridge.errors import BridgeError
from rfsn_bridge.interfaces import Learner, Policy
from rfsn_bridge.mind.estimators import (
    Estimate,
    Logged,
    NoSupport,
    Target,
    doubly_robust,
    ips,
    off_balance,
    snips,
)
from rfsn_bridge.mind.prior import fit_prior
from rfsn_bridge.mind.style import ACTION_ARMS, ACTION_FEATURES, STYLE_ARMS, STYLE_FEATURES, style_priors

Kind = Literal["action", "style"]
ARMS = {"action": ACTION_ARMS, "style": STYLE_ARMS}
FEATURES = {"action": ACTION_FEATURES, "style": STYLE_FEATURES}
LOGGED, UNIFORM = "logged", "uniform"
"""Policies that are no learners: what was recorded, and chance."""
MOST = 50_000
"""Turns that are read; more tell little more."""
_MOST_NPCS = 1024


@dataclass(frozen=True, slots=True)
class Evaluation:
    """Reward per turn of a policy. The point of `doubly_robust` has clipped weights, its interval plain ones."""

    policy: str
    kind: Kind
    turns: int
    logged: float
    """What was earned in the recording."""
    ips: Estimate
    snips: Estimate
    doubly_robust: Estimate
    off_balance: float
    """How far the recorded propensities are from what was done, as total variation."""

    def as_json(self) -> dict[str, Any]:
        return asdict(self)


def evaluate(log: Sequence[Logged], kind: Kind, name: str, target: Target) -> Evaluation:
    """Judge a policy by the probabilities it gives; raises BridgeError where the log cannot tell."""
    try:
        return Evaluation(
            name,
            kind,
            len(log),
            sum(each.reward for each in log) / max(1, len(log)),
            ips(log, target),
            snips(log, target),
            doubly_robust(log, target),
            off_balance(log),
        )
    except NoSupport as refused:
        hint = "record with a learner that explores, as `mind: {learner: linucb}` does"
        raise BridgeError(f"{name} cannot be judged by this recording: {refused}", hint) from None


def rewarded(episodes: Iterable[Episode], kind: Kind) -> Iterator[Logged]:
    """The choices of that kind that were rewarded; raises BridgeError where propensities are missing."""
    for each in episodes:
        reward = each.reward if kind == "action" else each.style_reward
        offered = each.propensities if kind == "action" else each.style_propensities
        if not offered or each.style is None or each.trace is None:
            message = f"turn {each.turn} of {each.npc_id or 'the recording'} keeps no propensities"
            raise BridgeError(message, "use a file that `rfsn-bridge simulate` wrote")
        if reward is None:
            continue
        x = each.action_features if kind == "action" else each.style_features
        if len(x) != len(FEATURES[kind]):
            message = f"turn {each.turn} has {len(x)} features of the {kind}, not {len(FEATURES[kind])}"
            raise BridgeError(message, "record it again with this version")
        arm = each.selected_action.value if kind == "action" else each.style.value
        priors = _priors(each, kind)
        yield Logged(x, arm, reward, {name.value: p for name, p in offered.items()}, each.npc_id, priors)


def _priors(episode: Episode, kind: Kind) -> dict[str, float]:
    if kind == "action":
        return {action.value: episode.scores.get(action, 0.0) for action in episode.propensities}
    npc = Npc(episode.npc_id, episode.npc_id, personality=episode.personality)
    found = style_priors(npc, episode.heard_state, episode.selected_action)
    return {Style(style).value: prior for style, prior in found.items()}


def read(episodes: Iterable[Episode], kind: Kind) -> list[Logged]:
    """The rewarded choices of a recording, the first `MOST` of them."""
    return list(islice(rewarded(episodes, kind), MOST))


def probabilities(
    log: Iterable[Logged], kind: Kind, policy: str, learner: Learner | None = None, prior: bytes | None = None
) -> Iterator[dict[str, float]]:
    """For each logged choice, how likely the policy takes each arm; `learner` where it is one."""
    policies: OrderedDict[str, Policy] = OrderedDict()
    rng = Random(0)  # noqa: S311  # what it draws is not looked at
    for each in log:
        if learner is None:
            share = 1 / len(each.probabilities)
            yield dict(each.probabilities) if policy == LOGGED else dict.fromkeys(each.probabilities, share)
            continue
        if each.npc_id not in policies:
            policies[each.npc_id] = learner.policy(ARMS[kind], FEATURES[kind], prior=prior)
            if len(policies) > _MOST_NPCS:
                policies.popitem(last=False)
        judged, arms = policies[each.npc_id], tuple(each.probabilities)
        chosen = judged.select(each.x, arms, [each.priors.get(arm, 0.0) for arm in arms], rng)
        yield dict(chosen.probabilities)
        judged.update(each.x, each.arm, each.reward, each.probabilities[each.arm])


def population(files: Iterable[Iterable[Episode]]) -> tuple[bytes, dict[str, int]]:
    """Where new NPCs may begin, as `prior.read_prior` takes it, and how many choices of each kind tell of it."""
    kinds: dict[Kind, list[Logged]] = {"action": [], "style": []}
    for index, episodes in enumerate(files):
        for each in episodes:
            for kind, log in kinds.items():
                if len(log) < MOST:
                    log.extend(_of(index, found) for found in rewarded((each,), kind))
    counts: dict[str, int] = {kind: len(log) for kind, log in kinds.items()}
    if not any(counts.values()):
        raise BridgeError("no turn of these files was rewarded", "record longer episodes")
    return fit_prior({str(kind): log for kind, log in kinds.items()}, ARMS, FEATURES), counts


def _of(file: int, log: Logged) -> Logged:
    """An NPC of another file is another NPC."""
    return Logged(log.x, log.arm, log.reward, log.probabilities, f"{file}.{log.npc_id}", log.priors)
