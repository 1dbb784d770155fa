"""`rfsn-bridge memory`, with a daemon and without."""

import asyncio
import hashlib
import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from daemon_process import daemon_process, run, said_in_one_sentence

from rfsn_bridge.cli import main
from rfsn_bridge.domain import Deed, NpcState, Turn, TurnStatus
from rfsn_bridge.interfaces import RecallQuery
from rfsn_bridge.memory.archive import open_archive
from rfsn_bridge.memory.schema import StoreError
from rfsn_bridge.memory.store import Store
from rfsn_bridge.memory.summaries import BLOCK

ODD_NAMES = ("Ra'virr", 'Ra"virr', "店主", "女主人", "Lydia", "lydia", "../..", "con", "a/b", "é", "e\u0301")


def a_turn(number: int, npc: str = "a", **fields: Any) -> Turn:
    values: dict[str, Any] = {
        "turn_id": f"t{number}",
        "playthrough": "default",
        "npc_id": npc,
        "npc_name": npc.upper(),
        "player_text": f"line {number}",
        "heard_text": f"answer {number}",
        "heard_through_seq": 0,
        "status": TurnStatus.COMPLETED,
        "state": NpcState(affinity=number / 100),
        "decision": None,
    }
    return Turn(**(values | fields))


def with_store(data: Path, work: Callable[[Store], Any]) -> Any:
    async def inside() -> Any:
        store = Store(data / "memory")
        try:
            return await work(store)
        finally:
            await store.aclose()

    return asyncio.run(inside())


def remembers(data: Path, *turns: Turn) -> None:
    async def record(store: Store) -> None:
        for turn in turns:
            await store.record(turn, b"learned")

    with_store(data, record)


def lines(data: Path, npc_id: str, playthrough: str = "default") -> list[str]:
    """What was said to or before an NPC, as it remembers it, the oldest first."""
    turns = asyncio.run(open_archive(data / "memory").turns(playthrough, npc_id, 1000))
    return [turn.player_text for turn in reversed(turns)]


def memory(data: Path, *arguments: str | Path) -> int:
    return main(["memory", *map(str, arguments), "--data", str(data)])


def told(capsys: pytest.CaptureFixture[str]) -> str:
    return capsys.readouterr().out


# --- Reading


def test_who_remembers_and_what_is_shown(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    remembers(tmp_path, a_turn(1), a_turn(2), a_turn(3, "b", hearers=("a",)))
    assert memory(tmp_path, "list") == 0
    assert "      3  A  (a)\n      1  B  (b)\n" in told(capsys)
    assert memory(tmp_path, "show", "A", "--limit", "2") == 0
    shown = told(capsys)
    assert "A (a): stranger" in shown and "line 1" not in shown
    assert shown.index("Player: line 2\n  A: answer 2") < shown.index("Player: line 3\n  B: answer 3")
    assert memory(tmp_path, "list", "--json") == 0
    assert [each["npc_id"] for each in json.loads(told(capsys))["npcs"]] == ["a", "b"]
    assert memory(tmp_path, "show", "a", "--json") == 0
    as_json = json.loads(told(capsys))
    assert (as_json["turns"], as_json["state"]["affinity"]) == (3, 0.02)


def test_words_are_searched_for(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    remembers(tmp_path, a_turn(1, player_text="I buried the amulet."), a_turn(2))
    assert memory(tmp_path, "search", "a", "the", "amulet") == 0
    found = told(capsys)
    assert "I buried the amulet." in found and "line 2" not in found
    assert memory(tmp_path, "search", "a", "amulet", "--json") == 0
    assert [each["turn_id"] for each in json.loads(told(capsys))["found"]] == ["t1"]


def test_a_playthrough_need_not_be_named_where_there_is_one(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    remembers(tmp_path, a_turn(1, playthrough="dovah"))
    assert memory(tmp_path, "show", "a") == 0
    remembers(tmp_path, a_turn(2, playthrough="other"))
    assert memory(tmp_path, "show", "a") == 1
    assert "name one with --playthrough: dovah, other" in capsys.readouterr().err
    assert memory(tmp_path, "show", "a", "--playthrough", "other") == 0


@pytest.mark.parametrize(
    "arguments",
    [("list",), ("show", "a"), ("search", "a", "x"), ("export", "a"), ("reset", "a"), ("restore", "x")],
)
def test_where_there_is_no_memory_it_says_so(
    arguments: tuple[str, ...], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert memory(tmp_path, *arguments) == 1
    said = capsys.readouterr().err
    assert said.startswith("rfsn-bridge: there is no ") and said.count("\n") == 1
    assert not (tmp_path / "memory").exists()


def test_an_npc_is_named_by_its_id_or_its_name(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    remembers(tmp_path, a_turn(1, "x1", npc_name="Guard"), a_turn(2, "x2", npc_name="Guard"))
    assert memory(tmp_path, "show", "x1") == 0
    assert memory(tmp_path, "show", "guard") == 1
    assert "name one by its id: x1, x2" in capsys.readouterr().err
    assert memory(tmp_path, "show", "nobody") == 1
    assert "nobody called 'nobody'" in capsys.readouterr().err


def test_words_of_a_game_do_not_steer_the_terminal(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    remembers(tmp_path, a_turn(1, npc_name="A\x1b[2J", heard_text="\x1b]0;x\x07\nfake: line\r"))
    for arguments in (("list",), ("show", "a"), ("search", "a", "fake")):
        assert memory(tmp_path, *arguments) == 0
        assert not set(told(capsys)) & {"\x1b", "\x07", "\r"}


# --- Taking along


def test_what_is_exported_comes_back_whole_elsewhere(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    deeds = (Deed("give", {"item": "torch"}, "applied", "player"),)
    turns = (a_turn(1, deeds=deeds, game_date=17.5), a_turn(2, heard_text=""), a_turn(3, "b", hearers=("a", "c")))
    remembers(tmp_path / "here", *turns)
    file = tmp_path / "a.json"
    assert memory(tmp_path / "here", "export", "a", "-o", file) == 0
    for expected in (3, 0):
        assert memory(tmp_path / "there", "import", file, "--json") == 0
        out = told(capsys)
        assert json.loads(out[out.index("{") :])["turns_new"] == expected
    archive = open_archive(tmp_path / "there" / "memory")
    found = asyncio.run(archive.turns("default", "a", 9))
    assert found == [replace(turn, game_date=0) for turn in reversed(turns)]
    known = asyncio.run(archive.known("default", "a", 9))
    assert (known.state, known.learned) == (turns[1].state, b"learned")
    assert lines(tmp_path / "there", "b") == lines(tmp_path / "there", "c") == []


def test_what_two_heard_is_brought_in_for_both_and_is_there_once(tmp_path: Path) -> None:
    remembers(tmp_path / "here", a_turn(1, hearers=("b",), player_text="I buried the amulet."))
    assert memory(tmp_path / "here", "export", "-o", tmp_path / "out") == 0
    for file in (tmp_path / "out").iterdir():
        assert memory(tmp_path / "there", "import", file) == 0
    assert lines(tmp_path / "there", "a") == lines(tmp_path / "there", "b") == ["I buried the amulet."]
    archive = open_archive(tmp_path / "there" / "memory")
    for npc in ("a", "b"):
        (found,) = asyncio.run(archive.recall(RecallQuery("default", npc, "the amulet", 9)))
        assert found.own is (npc == "a")
    assert asyncio.run(archive.stats())["turns"] == 1


def test_an_import_undoes_a_reset_and_what_is_known_already_stays(tmp_path: Path) -> None:
    remembers(tmp_path, a_turn(1, hearers=("b",)), a_turn(2), a_turn(3, "b"))
    assert memory(tmp_path, "export", "a", "-o", tmp_path / "a.json") == 0
    assert memory(tmp_path, "reset", "a") == 0
    assert lines(tmp_path, "a") == [] and lines(tmp_path, "b") == ["line 1", "line 3"]
    assert memory(tmp_path, "import", tmp_path / "a.json") == 0
    assert lines(tmp_path, "a") == ["line 1", "line 2"] and lines(tmp_path, "b") == ["line 1", "line 3"]
    remembers(tmp_path, a_turn(4, state=NpcState(affinity=0.9)))
    assert memory(tmp_path, "import", tmp_path / "a.json") == 0
    known = asyncio.run(open_archive(tmp_path / "memory").known("default", "a", 9))
    assert known.state == NpcState(affinity=0.9)
    assert memory(tmp_path, "reset", "a") == 0  # the words' index is whole after all this
    assert memory(tmp_path, "reset", "b") == 0
    assert asyncio.run(open_archive(tmp_path / "memory").recall(RecallQuery("default", "b", "line", 9))) == ()
    assert asyncio.run(open_archive(tmp_path / "memory").stats())["turns"] == 0


def test_an_import_is_backed_up_before(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    remembers(tmp_path / "here", a_turn(1))
    remembers(tmp_path / "there", a_turn(2))
    assert memory(tmp_path / "here", "export", "a", "-o", tmp_path / "a.json") == 0
    assert memory(tmp_path / "there", "import", tmp_path / "a.json") == 0
    undo = told(capsys).splitlines()[-1].split()[-1]
    assert lines(tmp_path / "there", "a") == ["line 2", "line 1"]
    assert memory(tmp_path / "there", "restore", undo) == 0
    assert lines(tmp_path / "there", "a") == ["line 2"]


def test_an_import_of_nothing_new_changes_nothing_and_makes_no_backup(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    remembers(tmp_path, a_turn(1, hearers=("b",)), a_turn(2))
    for name in ("a", "b"):
        assert memory(tmp_path, "export", name, "-o", tmp_path / f"{name}.json") == 0
        assert memory(tmp_path, "import", tmp_path / f"{name}.json") == 0
        assert told(capsys).splitlines()[-1].split("remembers ")[1].startswith("0 more turns; there already: ")
    assert not list((tmp_path / "memory").glob("backups/*.db"))
    remembers(tmp_path / "there", a_turn(3))
    assert memory(tmp_path / "there", "import", tmp_path / "b.json") == 0
    assert "b remembers 1 more turn; there already: 0." in told(capsys)


def test_what_was_overheard_is_marked(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    remembers(tmp_path, a_turn(1, hearers=("b",)), a_turn(2, "b"))
    assert memory(tmp_path, "show", "b") == 0
    shown = told(capsys)
    assert "t1  (overheard)\n" in shown and "t2\n" in shown
    assert memory(tmp_path, "export", "b", "--format", "markdown") == 0
    text = told(capsys)
    assert text.count("(overheard, said to A)") == 1 and text.index("overheard") < text.index("line 1")


def test_a_memory_that_was_emptied_is_told_of_in_plain_words(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    remembers(tmp_path, a_turn(1))
    assert memory(tmp_path, "reset", "a") == 0
    (tmp_path / "memory" / "memory.db").write_bytes(b"")
    assert memory(tmp_path, "list") == 1
    said = capsys.readouterr().err
    assert "is gone" in said and "memory backups" in said


def test_a_restore_over_a_damaged_memory_tells_of_it_once(tmp_path: Path) -> None:
    remembers(tmp_path, a_turn(1))
    assert memory(tmp_path, "reset", "a") == 0
    (backup,) = (tmp_path / "memory" / "backups").glob("*.db")
    (tmp_path / "memory" / "memory.db").write_bytes(b"nonsense" * 1000)
    listed = run("memory", "list", "--data", tmp_path)
    assert "start the daemon" in listed.stderr and "memory restore NAME" in listed.stderr
    restored = run("memory", "restore", backup.name, "--data", tmp_path)
    assert restored.returncode == 0 and "1 turn." in restored.stdout
    assert len(restored.stderr.strip().splitlines()) == 1


def test_what_was_lived_in_one_playthrough_is_brought_into_another_once(tmp_path: Path) -> None:
    remembers(tmp_path, a_turn(1, hearers=("b",)), a_turn(2))
    for name in ("a", "b"):
        assert memory(tmp_path, "export", name, "-o", tmp_path / f"{name}.json") == 0
    for _ in range(2):
        for name in ("a", "b"):
            assert memory(tmp_path, "import", tmp_path / f"{name}.json", "--playthrough", "other") == 0
        for playthrough in ("default", "other"):
            assert lines(tmp_path, "a", playthrough) == ["line 1", "line 2"]
            assert lines(tmp_path, "b", playthrough) == ["line 1"]
    back = tmp_path / "back.json"
    assert memory(tmp_path, "export", "a", "--playthrough", "other", "-o", back) == 0
    for playthrough in ("default", "other", "third"):
        assert memory(tmp_path, "import", back, "--playthrough", playthrough) == 0
        assert lines(tmp_path, "a", playthrough) == ["line 1", "line 2"]
    assert memory(tmp_path, "reset", "a", "--playthrough", "other") == 0
    assert lines(tmp_path, "a") == ["line 1", "line 2"] and lines(tmp_path, "b", "other") == ["line 1"]


@pytest.mark.parametrize("format", ["json", "markdown"])
def test_every_npc_has_a_file_of_its_own_whatever_it_is_called(format: str, tmp_path: Path) -> None:
    turns = [a_turn(number, name, npc_name=name) for number, name in enumerate(ODD_NAMES)]
    remembers(tmp_path, *turns)
    assert memory(tmp_path, "export", "--format", format, "-o", tmp_path / "out") == 0
    names = [path.name for path in (tmp_path / "out").iterdir()]
    assert len({name.lower() for name in names}) == len(ODD_NAMES)
    assert all(name.isascii() and name[0].isalnum() for name in names)
    if format == "json":
        for name in names:
            assert memory(tmp_path / "there", "import", tmp_path / "out" / name) == 0
        for number, name in enumerate(ODD_NAMES):
            assert lines(tmp_path / "there", name) == [f"line {number}"]


def test_markdown_is_to_be_read(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    remembers(tmp_path, a_turn(1, npc_name="Ra*virr", player_text="# Not\na heading", heard_text="<b>Hm.</b>"))
    assert memory(tmp_path, "export", "a", "--format", "markdown") == 0
    text = told(capsys)
    assert text.startswith("# Ra\\*virr\n") and "**Player:** \\# Not a heading\n" in text
    assert "\\<b\\>Hm.\\</b\\>" in text


def test_what_a_history_comes_to_is_shown_and_no_part_of_the_json(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    remembers(tmp_path, *(a_turn(number) for number in range(BLOCK)))

    async def sum_up(store: Store) -> None:
        due = await store.summary_due("default", "a", 0)
        assert due and await store.keep_summary("default", "a", due, "They *spoke*.")

    with_store(tmp_path, sum_up)
    assert memory(tmp_path, "show", "a") == 0
    shown = told(capsys)
    assert f"In short, {BLOCK} turns: They *spoke*.\n" in shown and shown.index("In short") < shown.index("line 0")
    assert memory(tmp_path, "show", "a", "--json") == 0
    (summary,) = json.loads(told(capsys))["summaries"]
    assert summary == {"turn_ids": [f"t{number}" for number in range(BLOCK)], "text": "They *spoke*."}
    assert memory(tmp_path, "export", "a", "--format", "markdown") == 0
    assert "## In short\n\n- They \\*spoke\\*.\n" in told(capsys)
    assert memory(tmp_path, "export", "a") == 0
    assert "spoke" not in told(capsys)


def test_everybody_is_exported_into_a_folder(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    remembers(tmp_path, a_turn(1))
    assert memory(tmp_path, "export") == 1
    assert "name one with -o" in capsys.readouterr().err
    (tmp_path / "file").write_text("mine")
    assert memory(tmp_path, "export", "-o", tmp_path / "file") == 1
    assert (tmp_path / "file").read_text() == "mine"


def resigned(document: dict[str, Any]) -> dict[str, Any]:
    """With the checksum of what is in it now."""
    text = json.dumps(document["content"], sort_keys=True, separators=(",", ":"))
    return {**document, "sha256": hashlib.sha256(text.encode()).hexdigest()}


def _changed(document: dict[str, Any]) -> Any:
    document["content"]["turns"][0]["player_text"] = "I never said that."
    return document


def _turn(**fields: Any) -> Callable[[dict[str, Any]], Any]:
    def change(document: dict[str, Any]) -> Any:
        document["content"]["turns"][0].update(fields)
        return resigned(document)

    return change


def _content(**fields: Any) -> Callable[[dict[str, Any]], Any]:
    return lambda document: resigned({**document, "content": {**document["content"], **fields}})


@pytest.mark.parametrize(
    "change",
    [
        lambda document: [],
        lambda document: {},
        lambda document: {**document, "format": "something else"},
        lambda document: {**document, "version": 2},
        lambda document: {**document, "version": "1"},
        lambda document: {**document, "content": []},
        lambda document: {**document, "sha256": None},
        _changed,
        _turn(turn_id=""),
        _turn(turn_id=7),
        _turn(heard_through_seq=10**30),
        _turn(state={"affinity": 7}),
        _turn(state={"mood": "bored"}),
        _turn(hearers=["x" * 200]),
        _content(npc_id=""),
        _content(playthrough="x" * 200),
        _content(learned="?"),
        _content(learned=7),
        _content(turns=7),
        _content(state=[]),
    ],
)
def test_what_is_no_export_of_ours_is_refused_in_one_sentence(
    change: Callable[[dict[str, Any]], Any], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    remembers(tmp_path / "here", a_turn(1))
    file = tmp_path / "a.json"
    assert memory(tmp_path / "here", "export", "a", "-o", file) == 0
    file.write_text(json.dumps(change(json.loads(file.read_text(encoding="utf-8")))))
    capsys.readouterr()
    assert memory(tmp_path / "there", "import", file) == 1
    said = capsys.readouterr().err
    assert said.startswith("rfsn-bridge: the file ") and said.count("\n") == 1
    assert not (tmp_path / "there").exists()


@pytest.mark.parametrize("text", [b"", b"\xff\xfe", b"[" * 100_000, b'{"a": NaN}', b"SQLite format 3\0" * 99])
def test_what_is_no_json_is_refused(text: bytes, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "x").write_bytes(text)
    assert memory(tmp_path, "import", tmp_path / "x") == 1
    assert "it is no JSON" in capsys.readouterr().err
    assert memory(tmp_path, "import", tmp_path / "missing") == 1


def test_what_is_too_large_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr("rfsn_bridge.memory.export.MOST_BYTES", 1000)
    (tmp_path / "x").write_bytes(b" " * 2000)
    assert memory(tmp_path, "import", tmp_path / "x") == 1
    assert "it is larger than" in capsys.readouterr().err


# --- Forgetting and bringing back


def test_a_reset_is_undone_by_the_backup_that_it_names(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    remembers(tmp_path, a_turn(1))
    assert memory(tmp_path, "reset", "A") == 0
    said = told(capsys)
    assert "A has forgotten 1 turn." in said and lines(tmp_path, "a") == []
    undo = said.splitlines()[-1].removeprefix("To undo that: rfsn-bridge ").split()
    assert main([*undo, "--data", str(tmp_path)]) == 0
    assert lines(tmp_path, "a") == ["line 1"]
    capsys.readouterr()
    assert memory(tmp_path, "backups", "--json") == 0
    assert {each["reason"] for each in json.loads(told(capsys))["backups"]} == {"reset", "restore"}
    assert memory(tmp_path, "backups") == 0
    assert "memory-" in told(capsys)


def test_a_damaged_backup_is_marked_in_the_list(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    remembers(tmp_path, a_turn(1))

    async def back_up(store: Store) -> list[Path]:
        return [(await store.back_up("manual")).path for _ in range(2)]

    whole, damaged = with_store(tmp_path, back_up)
    content = bytearray(damaged.read_bytes())
    content[-1] ^= 1  # SQLite itself would not see that
    damaged.write_bytes(content)
    for options in ([], ["--check"]):
        assert main(["memory", "backups", *options, "--data", str(tmp_path)]) == 0
        shown = capsys.readouterr().out
        assert f"{whole.name}  1 turn, " in shown and f"{damaged.name}  damaged" in shown


def test_a_backup_is_named_and_no_path(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    remembers(tmp_path, a_turn(1))
    assert memory(tmp_path, "restore", "../memory.db") == 1
    assert "there is no backup" in capsys.readouterr().err


def test_what_a_running_daemon_holds_it_changes_itself(tmp_path: Path) -> None:
    with daemon_process(tmp_path) as daemon:
        data = ("--data", tmp_path / "data")
        assert run("say", "Lydia", "Hail.", "--url", daemon.url).returncode == 0
        assert "Hail." in run("memory", "show", "lydia", *data).stdout
        reset = run("memory", "reset", "Lydia", "--url", daemon.url, "--json", *data)
        assert (reset.returncode, reset.stderr) == (0, "")
        done = json.loads(reset.stdout)
        assert done["turns_forgotten"] == 1
        assert run("memory", "list", *data).stdout.endswith(": 0\n")
        restored = run("memory", "restore", done["backup"], "--url", daemon.url, *data)
        assert restored.returncode == 0, restored.stderr
        assert "Hail." in run("memory", "show", "Lydia", *data).stdout
        exported = run("memory", "export", "Lydia", "-o", tmp_path / "l.json", *data)
        assert exported.returncode == 0
        assert "is in use by process" in said_in_one_sentence(run("memory", "import", tmp_path / "l.json", *data))
        nobody = run("memory", "reset", "Lydia", "--url", "ws://127.0.0.1:9/ws", *data)
        assert "no daemon answers" in said_in_one_sentence(nobody)


def test_a_daemon_that_holds_another_memory_is_left_alone(tmp_path: Path) -> None:
    (tmp_path / "one").mkdir()
    with daemon_process(tmp_path / "one") as daemon:
        run("say", "Lydia", "Hail.", "--url", daemon.url)
        other = tmp_path / "two"
        remembers(other, a_turn(1, "say:lydia", npc_name="Lydia"))
        store_held = _Held(other)
        try:
            wrong = run("memory", "reset", "Lydia", "--url", daemon.url, "--data", other)
        finally:
            store_held.close()
        assert "has another" in said_in_one_sentence(wrong)
        assert "Hail." in run("memory", "show", "Lydia", "--data", tmp_path / "one" / "data").stdout


class _Held:
    """A memory that this process holds."""

    def __init__(self, data: Path) -> None:
        self._store = Store(data / "memory")

    def close(self) -> None:
        asyncio.run(self._store.aclose())


def test_a_second_holder_is_an_error_of_its_own(tmp_path: Path) -> None:
    held = _Held(tmp_path)
    try:
        with pytest.raises(StoreError, match="in use by process"):
            Store(tmp_path / "memory")
    finally:
        held.close()
