"""When an engine counts as too slow, and when as quick enough again."""

from rfsn_bridge.speech.strain import Strain


def fed(*utterances: tuple[float, float]) -> list[bool]:
    strain = Strain()
    states = []
    for busy_s, audio_s in utterances:
        changed = strain.add(busy_s, audio_s)
        states.append(strain.slow)
        assert changed == (len(states) > 1 and states[-1] != states[-2])
    return states


def test_one_slow_utterance_is_nothing() -> None:
    assert fed((3, 2), (1, 4), (1, 4)) == [False, False, False]


def test_three_that_take_longer_than_they_last_are_slow() -> None:
    assert fed((3, 2), (3, 2), (3, 2)) == [False, False, True]


def test_a_tiny_one_says_little() -> None:
    assert fed((0.5, 0.3), (1, 4), (1, 4)) == [False, False, False]


def test_what_is_slow_stays_so_until_it_is_clearly_quick_enough() -> None:
    states = fed((3, 2), (3, 2), (3, 2), *[(1.8, 2)] * 6, *[(1.4, 2)] * 6)
    assert states[8]
    assert not states[-1]


def test_it_can_begin_anew() -> None:
    strain = Strain()
    for _ in range(3):
        strain.add(3, 2)
    strain.forget()
    assert not strain.slow
    assert strain.factor == 0
