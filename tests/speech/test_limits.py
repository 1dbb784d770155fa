"""When an engine counts as hung."""

from rfsn_bridge.speech.limits import Limits


def test_a_voice_whose_pace_is_known_is_given_up_sooner_and_never_later() -> None:
    limits = Limits()
    unknown = limits.allowed_s(60, None)
    assert unknown == limits.answer_s + 60 * limits.answer_s_per_character
    assert limits.allowed_s(60, 0.3) < unknown / 2
    assert limits.allowed_s(60, 0.3) > 10 * 0.3 * 60 / 17.2  # ten times as long as usual
    assert limits.allowed_s(60, 50.0) == unknown
