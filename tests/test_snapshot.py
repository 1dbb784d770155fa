"""Config and plugins made into parts, or a sentence about what does not fit."""

from pathlib import Path

import httpx
import pytest
from lending import Lender

from rfsn_bridge import config, registry, snapshot
from rfsn_bridge.errors import BridgeError, ConfigError, PluginError
from rfsn_bridge.interfaces import Services
from rfsn_bridge.mind.prior import read_start
from rfsn_bridge.mind.style import ACTION_ARMS, ACTION_FEATURES, STYLE_ARMS, STYLE_FEATURES
from rfsn_bridge.snapshot import Snapshot

PLUGIN = """
from pydantic import BaseModel, Field
from rfsn_bridge import ModelMissing, hookimpl

class Options(BaseModel, extra="forbid"):
    zeal: int = Field(default=1, ge=0)

class Mine:
    def __init__(self, options, services):
        self.zeal = options.zeal
        {init}

@hookimpl
def register_llm_backends(register):
    register("mine", Mine, options=Options)

@hookimpl
def register_tts_engines(register):
    register("callable", Mine)
"""


def built(folder: Path, document: str, init: str = "") -> Snapshot:
    (folder / "mine.py").write_text(PLUGIN.format(init=init))
    settings = config.parse(document.encode(), "config.yaml", {})
    return snapshot.build(settings, registry.discover(folder), services(folder))


def services(data: Path) -> Services:
    return Lender(httpx.AsyncClient(), data).services()


TEXT_ONLY = "tts: {engine: none}\n"


def test_the_shipped_config_builds_and_loads_nothing(tmp_path: Path) -> None:
    made = snapshot.build(config.Config(), registry.discover(), services(tmp_path))
    assert made.revision == 1 and made.voice is not None and made.voice.pid is None
    assert list(made.mind.safety) == ["flee_when_terrified", "no_favours_without_trust"]


async def test_npcs_begin_where_the_population_is_unless_a_file_says_otherwise(tmp_path: Path) -> None:
    learning = TEXT_ONLY + "mind:\n  learner: linucb\n"
    ours = built(tmp_path, learning).mind
    assert set(ours.priors) == {"action", "style"}
    assert read_start(ours.priors["action"], ACTION_ARMS, ACTION_FEATURES), "fit it again: rfsn-bridge prior fit"
    assert read_start(ours.priors["style"], STYLE_ARMS, STYLE_FEATURES), "fit it again: rfsn-bridge prior fit"
    own = tmp_path / "own.json"
    own.write_text('{"version": 1, "kinds": {}}')
    assert built(tmp_path, f"{learning}  prior: {own}\n").mind.priors == {}
    assert built(tmp_path, f"{learning}  prior: none\n").mind.priors == {}


async def test_a_prior_that_is_none_is_named_with_its_line_and_its_remedy(tmp_path: Path) -> None:
    wrong = tmp_path / "wrong.json"
    wrong.write_text("{}")
    with pytest.raises(ConfigError, match="prior fit") as error:
        built(tmp_path, f"{TEXT_ONLY}mind:\n  prior: {wrong}\n")
    assert error.value.line == 3 and str(wrong) in str(error.value)


async def test_options_reach_the_part_that_they_are_for(tmp_path: Path) -> None:
    made = built(tmp_path, TEXT_ONLY + "llm:\n  backend: mine\n  options: {mine: {zeal: 7}, other: {x: 1}}\n")
    assert made.llm.zeal == 7  # type: ignore[attr-defined]
    assert made.voice is None


@pytest.mark.parametrize(
    ("document", "line", "key", "says"),
    [
        ("llm:\n  backend: mne\n", 3, "llm.backend", "'mine'"),
        (
            "llm:\n  backend: mine\n  options:\n    mine:\n      zeal: -1\n",
            6,
            "llm.options.mine.zeal",
            "(it is -1)",
        ),
        ("llm:\n  backend: mine\n  options:\n    mine:\n      zea: 1\n", 6, "llm.options.mine.zea", "'zeal'"),
        ("llm:\n  backend: mine\n  options:\n    mine: {zeal: x}\n", 5, "llm.options.mine.zeal", "(it is 'x')"),
        ("mind:\n  scorer: utilty\n", 3, "mind.scorer", "'utility'"),
        ("mind:\n  safety:\n    - flee\n", 3, "mind.safety", "flee"),
        ("mind:\n  options:\n    linucb: {x: 1}\n", 4, "mind.options.linucb.x", "no key"),
    ],
)
async def test_a_wrong_choice_is_named_with_its_line_and_its_remedy(
    document: str, line: int, key: str, says: str, tmp_path: Path
) -> None:
    with pytest.raises(ConfigError) as wrong:
        built(tmp_path, TEXT_ONLY + document)
    assert (wrong.value.line, wrong.value.key) == (line, key)
    assert says in str(wrong.value) and f"line {line}" in str(wrong.value)


async def test_a_voice_that_nobody_offers_is_named_without_a_line_where_the_file_says_nothing(
    tmp_path: Path,
) -> None:
    settings = config.parse(b"llm:\n  temperature: 1\n")
    with pytest.raises(ConfigError, match=r"^tts\.engine: there is no tts named 'kokoro'"):
        snapshot.build(settings, registry.discover(disabled=["tts_kokoro"]), services(tmp_path))


@pytest.mark.parametrize(
    "init",
    ["raise RuntimeError('oops')", "raise KeyError('oops')", "raise SystemExit('oops')", "import oops", "oops"],
)
async def test_a_part_that_cannot_be_built_is_named_with_its_plugin(init: str, tmp_path: Path) -> None:
    with pytest.raises(PluginError, match="oops") as broken:
        built(tmp_path, TEXT_ONLY + "llm: {backend: mine}\n", init)
    assert "mine" in broken.value.hint


async def test_what_a_part_says_itself_is_said(tmp_path: Path) -> None:
    with pytest.raises(BridgeError, match="no weights; pull them"):
        built(tmp_path, TEXT_ONLY + "llm: {backend: mine}\n", "raise ModelMissing('no weights', 'pull them')")


async def test_an_engine_that_is_no_name_is_told_how_to_register(tmp_path: Path) -> None:
    with pytest.raises(PluginError, match="module:Class"):
        built(tmp_path, "llm: {backend: mine}\ntts: {engine: callable}\n")


async def test_a_broken_plugin_is_fatal_where_the_config_selects_what_it_would_offer(tmp_path: Path) -> None:
    (tmp_path / "broken.py").write_text("raise RuntimeError('no luck')")
    with pytest.raises(ConfigError, match=r"plugin broken failed: .*no luck"):
        built(tmp_path, TEXT_ONLY + "llm: {backend: broken}\n")
    assert built(tmp_path, TEXT_ONLY + "llm: {backend: mine}\n")


async def test_several_engines_make_a_chain(tmp_path: Path) -> None:
    made = built(tmp_path, "llm: {backend: mine}\ntts: {engine: [kokoro, openai, none]}\n")
    assert made.voice is not None and made.voice.engine == "kokoro"


async def test_an_unknown_engine_of_a_chain_is_named_with_its_line(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="no tts named 'kokro'") as wrong:
        built(tmp_path, "llm: {backend: mine}\ntts:\n  engine: [openai, kokro]\n")
    assert (wrong.value.line, wrong.value.key) == (3, "tts.engine")
