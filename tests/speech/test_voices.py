"""Which voice an NPC has."""

import re
from collections.abc import Sequence

import pytest

from rfsn_bridge import blend
from rfsn_bridge.domain import Npc
from rfsn_bridge.errors import ConfigError
from rfsn_bridge.speech.voices import builtin_voices, load_voices

KOKORO = (
    *("af_alloy", "af_aoede", "af_bella", "af_heart", "af_jessica", "af_kore", "af_nicole", "af_nova", "af_river"),
    *("af_sarah", "af_sky", "am_adam", "am_echo", "am_eric", "am_fenrir", "am_liam", "am_michael", "am_onyx"),
    *("am_puck", "am_santa", "bf_alice", "bf_emma", "bf_isabella", "bf_lily", "bm_daniel", "bm_fable"),
    *("bm_george", "bm_lewis", "ef_dora", "em_alex", "em_santa", "ff_siwis", "if_sara", "im_nicola"),
)


def chosen(
    npc_id: str = "1",
    *,
    engine: str = "kokoro",
    known: Sequence[str] = KOKORO,
    default: str = "af_bella",
    **described: str,
) -> str:
    return builtin_voices().choose(Npc(npc_id=npc_id, name="N", **described), engine, known, default)  # type: ignore[arg-type]


def genders(voice: str) -> set[str]:
    return {part[1] for part in blend.names(voice)}


def test_its_own_voice_always_wins() -> None:
    assert chosen(voice="mine", voice_type="MaleNord", gender="male") == "mine"


def test_the_voice_type_comes_first_then_race_and_gender_then_gender() -> None:
    assert chosen(voice_type="MaleUniqueUlfric", race="Argonian", gender="female") == "am_fenrir:0.6,bm_george:0.4"
    assert chosen(voice_type="FromAMod", race="Redguard", gender="male").startswith("am_onyx")
    assert chosen(voice_type="FromAMod", race="FromAMod", gender="male")[1] == "m"


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ({"voice_type": "MaleUniqueMiraak"}, {"voice_type": "DLC2MaleUniqueMiraak"}),
        ({"voice_type": "FemaleUniqueGormlaith"}, {"voice_type": "SPECIALFemaleUniqueGormlaith"}),
        ({"voice_type": "FemaleNordUniqueKatria"}, {"voice_type": "DLC1LD_FemaleNordUniqueKatria"}),
        ({"voice_type": "MaleOldGrumpy"}, {"voice_type": "male old grumpy"}),
        ({"race": "Nord", "gender": "male"}, {"race": "NordRaceVampire", "gender": "Male"}),
        ({"race": "High Elf", "gender": "female"}, {"race": "HighElfRace", "gender": "F"}),
        ({"race": "Child", "gender": "male"}, {"race": "BretonRaceChild", "gender": "boy"}),
    ],
)
def test_names_are_known_as_the_game_writes_them(one: dict[str, str], other: dict[str, str]) -> None:
    assert chosen(**one) == chosen(**other)


def test_an_unknown_voice_type_still_tells_the_gender() -> None:
    assert chosen(voice_type="MaleModdedPirate")[1] == "m"
    assert chosen(voice_type="FemaleModdedPirate")[1] == "f"


def test_the_same_npc_keeps_its_voice_and_others_have_others() -> None:
    voices = [chosen(str(number), gender="male") for number in range(40)]
    assert voices == [chosen(str(number), gender="male") for number in range(40)]
    assert len(set(voices)) > 5 and all(genders(voice) == {"m"} for voice in voices)


def test_a_voice_that_comes_or_goes_moves_only_those_who_have_it() -> None:
    others = [voice for voice in KOKORO if voice != "am_puck"]
    for number in range(40):
        before = chosen(str(number), gender="male")
        assert before == "am_puck" or chosen(str(number), gender="male", known=others) == before


def test_of_whom_nothing_is_known_has_the_default_voice() -> None:
    assert chosen() == "af_bella"
    assert chosen(race="Nord") == "af_bella"


def test_without_a_default_chance_decides_for_good() -> None:
    voices = {chosen(str(number), default="") for number in range(60)}
    assert len(voices) > 10
    assert all(voice[0] in "ab" for voice in voices)
    assert chosen("7", default="") == chosen("7", default="")


def test_only_voices_of_the_defaults_language_are_chosen() -> None:
    assert chosen(voice_type="MaleNord", default="em_alex") in ("em_alex", "em_santa")
    assert chosen(gender="female", default="ff_siwis") == "ff_siwis"
    assert chosen(gender="male", default="ff_siwis") == "ff_siwis"


def test_what_the_engine_lacks_is_passed_over() -> None:
    assert chosen(voice_type="MaleUniqueUlfric", known=("am_puck", "af_bella")) == "am_puck"


def test_the_table_is_trusted_while_the_engine_has_not_told_its_voices() -> None:
    assert chosen(voice_type="MaleUniqueUlfric", known=()) == "am_fenrir:0.6,bm_george:0.4"
    assert chosen(gender="male", known=(), engine="other") == "af_bella"


def test_other_engines_go_by_the_gender_in_their_names() -> None:
    assert chosen(engine="openai", known=("alloy", "onyx", "nova"), default="alloy", gender="male") == "onyx"
    assert chosen(engine="piper", known=("joe",), default="joe", gender="female") == "joe"
    assert (
        chosen(engine="x", known=("en-female-1", "en-male-1"), default="en-male-1", gender="female")
        == "en-female-1"
    )


def test_a_server_with_kokoros_voices_has_them_by_the_table_but_no_blends() -> None:
    assert chosen(engine="openai", known=KOKORO, voice_type="MaleEvenToned") == "am_michael"
    assert "," not in chosen(engine="openai", known=KOKORO, voice_type="MaleUniqueUlfric")


def test_every_voice_of_our_table_is_one_of_kokoros() -> None:
    table = builtin_voices()._tables["kokoro"]
    assert len(table.voice_types) > 130
    for names in (*table.voice_types.values(), *table.races.values(), *table.genders.values()):
        for voice in names:
            assert set(blend.names(voice)) <= set(KOKORO), voice


def test_the_players_table_is_on_top() -> None:
    mine = load_voices(
        [("mine.yaml", b'kokoro:\n  voice_types: {MaleNord: am_adam}\n  genders: {male: "am_puck"}')]
    )
    nord = Npc(npc_id="1", name="N", voice_type="MaleNord", gender="male")
    pirate = Npc(npc_id="1", name="N", voice_type="MalePirate")
    assert mine.choose(nord, "kokoro", KOKORO, "af_bella") == "am_adam"
    assert mine.choose(pirate, "kokoro", KOKORO, "af_bella") == "am_puck"


@pytest.mark.parametrize(
    ("file", "told"),
    [
        ("kokoro:\n  voice_type: {A: b}", "mine.yaml, line 2: there is no section kokoro.voice_type"),
        ("kokoro:\n  genders:\n    mle: b", "mine.yaml, line 3: there is no key kokoro.genders.mle"),
        (
            "kokoro:\n  genders:\n    male:\n    - b\n    - 5",
            "mine.yaml, line 5: kokoro.genders.male: 5 is no voice",
        ),
        ("kokoro: {voice_types: {A: []}}", "kokoro.voice_types.A needs 1 to 64 voices"),
        ("kokoro: {voice_types: {A: 'a:x'}}", "'a:x' is no voice"),
        ("kokoro: a", "mine.yaml, line 1: kokoro needs keys of its own"),
        ("[kokoro]", "mine.yaml: the file needs keys of its own"),
    ],
)
def test_a_mistake_is_told_with_its_line(file: str, told: str) -> None:
    with pytest.raises(ConfigError, match=re.escape(told)):
        load_voices([("mine.yaml", file.encode())])
