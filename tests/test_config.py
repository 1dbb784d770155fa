"""config.yaml, strings in and settings or one sentence out."""

import datetime
import os
from pathlib import Path
from typing import Any

import pytest
import yaml
from hypothesis import example, given
from hypothesis import strategies as st

from rfsn_bridge.config import Config, load, parse
from rfsn_bridge.errors import ConfigError
from rfsn_bridge.paths import default_config


def refusal(text: str | bytes, environment: dict[str, str] | None = None) -> ConfigError:
    with pytest.raises(ConfigError) as refused:
        parse(text.encode() if isinstance(text, str) else text, "config.yaml", environment)
    return refused.value


# --- What is right


@pytest.mark.parametrize(
    "text", ["", "# only a comment\n", "---\n", "llm:\n", "llm: {}\nserver: ~\n", "\ufeffllm:\n"]
)
def test_what_is_left_out_has_its_default(text: str) -> None:
    assert parse(text.encode()).model_dump() == Config().model_dump()


def test_the_file_we_ship_differs_from_the_defaults_only_where_the_small_model_needs_it() -> None:
    shipped, plain = load(default_config, {}), Config()
    llm = plain.llm.model_copy(update={"max_sentences": 3, "temperature": 0.4})
    assert shipped.model_dump() == plain.model_copy(update={"llm": llm}).model_dump()


def test_every_default_can_be_written_down_and_read_again() -> None:
    written = yaml.safe_dump(Config().model_dump(mode="json"))
    assert parse(written.encode()).model_dump() == Config().model_dump()


def test_a_key_knows_its_line() -> None:
    config = parse(b"# a comment\nllm:\n  temperature: 1.5\n  options:\n    ollama:\n      model: x\n")
    assert config.line_of("llm", "temperature") == 3
    assert config.line_of("llm", "options", "ollama", "model") == 6
    assert config.line_of("llm", "options", "ollama", "absent") == 5
    assert config.line_of("tts", "engine") is None


def test_a_config_cannot_be_changed() -> None:
    with pytest.raises(ValueError, match="frozen"):
        parse(b"").llm.temperature = 1  # type: ignore[misc]


# --- What is wrong is said with its line, its key and what to do


@pytest.mark.parametrize(
    ("text", "line", "key", "says"),
    [
        ("llm:\n  temprature: 1\n", 2, "llm.temprature", "'temperature'"),
        ("lm:\n  backend: x\n", 1, "lm", "'llm'"),
        ("xyzzy: 1\n", 1, "xyzzy", "known here: llm, log"),
        ("llm:\n  temperature: 99\n", 2, "llm.temperature", "less than or equal to 2 (it is 99)"),
        ("llm:\n  temperature: hot\n", 2, "llm.temperature", "(it is 'hot')"),
        ("llm:\n  temperature: .nan\n", 2, "llm.temperature", "llm.temperature"),
        ("server:\n  port: 99999\n", 2, "server.port", "65535"),
        ("server: {port: 1,\n  port: 2}\n", 2, "server.port", "set twice"),
        ("llm:\n  backend: a\nllm:\n  backend: b\n", 3, "llm", "set twice"),
        ("llm: text\n", 1, "llm", "llm"),
        ("llm:\n  timeouts:\n    connect_s: 0\n", 3, "llm.timeouts.connect_s", "greater than 0"),
        ("llm:\n  timeouts:\n    conect_s: 1\n", 3, "llm.timeouts.conect_s", "'connect_s'"),
        ("mind:\n  safety:\n    - ''\n", 3, "mind.safety.0", "at least 1 character"),
        ("server:\n  auth: token\n", 2, "server.auth", "'none'"),
        ("a: &x 1\nb: *x\n", None, None, "aliases"),
        ("llm: [\n", 2, None, "mend the YAML"),
        ("llm:\n\ttemperature: 1\n", 2, None, "mend the YAML"),
        ("- llm\n", None, None, "holds no keys"),
        ("just text\n", None, None, "holds no keys"),
        ("llm:\n  backend: !!python/name:os.system ''\n", 2, "llm.backend", "is no value"),
    ],
)
def test_a_mistake_is_named_with_its_place_and_its_remedy(
    text: str, line: int | None, key: str | None, says: str
) -> None:
    error = refusal(text)
    assert says in str(error)
    assert error.hint
    assert (error.key, error.line) == (key, line) or line is None
    assert "\n" not in str(error)
    if line:
        assert f"line {line}" in str(error)


def test_a_long_wrong_value_is_not_repeated_at_length() -> None:
    assert len(str(refusal(f"llm:\n  temperature: {'x' * 10_000}\n"))) < 500


@pytest.mark.parametrize(
    "value",
    [
        "!!bool maybe",
        "!!timestamp soon",
        "!!int ''",
        "!!int x",
        "!!float y",
        "2024-99-99",
        "9" * 5000,
        "0x_",
        "!!binary é",
    ],
)
def test_a_value_that_yaml_itself_cannot_make_is_a_mistake_like_any_other(value: str) -> None:
    error = refusal(f"llm:\n  backend: {value}\n")
    assert error.line == 2 and "llm.backend" in str(error)


@pytest.mark.parametrize(
    "text",
    [
        b"[" * 50_000,
        b"{a: " * 20_000,
        b"a:\n" + b"".join(b" " * i + b"- a:\n" for i in range(1, 600)),
        b"\x00",
        b"\xff\xfe\x00",
        b"\x80abc",
        b"%YAML 9.9\n---\na: 1\n",
        b"? {a: b}\n: c\n",
        b"? [a]\n: c\n",
        b"<<: {llm: {}}\n",
        b"llm: !!set {backend}\n",
        b"---\na: 1\n---\nb: 2\n",
        b"llm:\n  options: {1: {2: 3}}\n  backend: 2001-01-01\n",
        "\ud800".encode("utf-8", "surrogatepass"),
    ],
)
def test_garbage_is_refused_in_one_sentence(text: bytes) -> None:
    assert "\n" not in str(refusal(text))


@given(
    st.binary(max_size=300)
    | st.text(alphabet="abllm:-[]{}&*!?|>'\"%@` \n\t#,0123.~<=", max_size=200).map(str.encode)
)
@example(b"llm:\n  backend: !!timestamp x")
def test_no_file_raises_anything_but_a_config_error(text: bytes) -> None:
    try:
        parse(text)
    except ConfigError as error:
        assert error.message and "\n" not in str(error)


_VALUES = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats()
    | st.text(max_size=20)
    | st.dates(datetime.date(1, 1, 2)),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=10), inner, max_size=3),
    max_leaves=8,
)


@given(st.dictionaries(st.sampled_from([*Config.model_fields, "other"]), _VALUES, max_size=4))
def test_no_document_raises_anything_but_a_config_error(document: dict[str, Any]) -> None:
    try:
        text = yaml.safe_dump(document, allow_unicode=True).encode()
    except (yaml.YAMLError, UnicodeEncodeError):
        return
    try:
        parse(text)
    except ConfigError as error:
        assert error.message


# --- The file


def test_a_file_that_is_not_there_is_named(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="none") as missing:
        load(tmp_path / "none.yaml", {})
    assert "--config" in missing.value.hint


def test_a_folder_is_no_config(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="cannot be read"):
        load(tmp_path, {})


def test_a_huge_file_is_not_read_as_yaml(tmp_path: Path) -> None:
    (tmp_path / "config.yaml").write_bytes(b"#" * (256 * 1024 + 1))
    with pytest.raises(ConfigError, match="larger than"):
        load(tmp_path / "config.yaml", {})


# --- The environment


def test_the_environment_comes_before_the_file() -> None:
    environment = {"RFSN_HOST": "127.0.0.2", "RFSN_PORT": "1234", "RFSN_LOG_LEVEL": "debug"}
    config = parse(b"server: {port: 9, host: x}\nlog:\n", environment=environment)
    assert (config.server.host, config.server.port, config.log.level) == ("127.0.0.2", 1234, "DEBUG")


def test_an_empty_variable_counts_for_nothing() -> None:
    assert parse(b"server: {port: 9}", environment={"RFSN_PORT": ""}).server.port == 9


@pytest.mark.parametrize(
    ("variable", "value"), [("RFSN_PORT", "many"), ("RFSN_PORT", "70000"), ("RFSN_LOG_LEVEL", "loud")]
)
def test_a_wrong_variable_is_named_and_not_the_file(variable: str, value: str) -> None:
    error = refusal("server:\n  port: 9\nlog: {}\n", {variable: value})
    assert variable in str(error) and "line" not in str(error)


def test_the_process_environment_is_read_by_default(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(os.environ, "RFSN_PORT", "4321")
    (tmp_path / "config.yaml").write_text("")
    assert load(tmp_path / "config.yaml").server.port == 4321


@pytest.mark.parametrize(
    ("written", "meant"),
    [
        ("piper", ("piper",)),
        ("[kokoro, piper, none]", ("kokoro", "piper", "none")),
        ("none", ("none",)),
    ],
)
def test_one_engine_or_several_may_speak(written: str, meant: tuple[str, ...]) -> None:
    tts = parse(f"tts: {{engine: {written}}}".encode()).tts
    assert tts.engine == meant
    assert tts.speaks == (written != "none")


@pytest.mark.parametrize(
    ("written", "says"),
    [("[none, kokoro]", "none stands last"), ("[piper, piper]", "named twice"), ("[]", "at least 1")],
)
def test_a_chain_that_makes_no_sense_is_told_with_its_line(written: str, says: str) -> None:
    with pytest.raises(ConfigError, match=says) as wrong:
        parse(f"\ntts: {{engine: {written}}}".encode())
    assert wrong.value.line == 2
