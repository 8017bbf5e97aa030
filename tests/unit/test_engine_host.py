"""The engine host against fake engine processes that crash, hang, lie and print."""

import asyncio
import logging
import os
import signal
import sys
import textwrap
import time
from collections.abc import AsyncIterator, Callable
from pathlib import Path

import pytest

from casts.settings import Settings
from worker.engine import ROOT, EngineFailed, EngineHost, choose_engine, engine_command, engine_environ

FAKE = """
    import os, signal, sys, time
    from worker.engines.protocol import Hello, Speech, Voice, Word, EngineRefused, encode_frame
    from worker.engines.serve import serve

    class Fake:
        def hello(self):
            voice = Voice("fake/one", "One", "en-US", "English")
            return Hello("fake", "1", "Fake 1", (voice,), (), "fake/one")

        def is_spent(self):
            return self.order == "leak"

        def speak(self, request):
            order, _, rest = request.text.partition(" ")
            self.order = order
            if order == "die":
                os.kill(os.getpid(), signal.SIGKILL)
            if order == "hang":
                if rest.startswith("/"):
                    open(rest, "w").close()
                signal.pause()
            if order == "fail":
                raise RuntimeError(request.text)
            if order == "refuse":
                raise EngineRefused("text_unspeakable", "cannot")
            if order == "wait":
                open(rest).read()  # a named pipe: until the test opens and closes it
            if order == "print":
                print("printed by a library", flush=True)
                os.write(1, b"written to descriptor 1")
                sys.stderr.write("\\rprogress\\rsaid on stderr\\n" + "x" * 5000 + "\\n")
            pcm = request.text.encode() * 2
            return Speech(pcm, 24000, ())

    sys.exit(serve(Fake))
"""

Script = Callable[[str], tuple[str, ...]]


@pytest.fixture
def script(tmp_path: Path) -> Script:
    """Writes a Python program and gives the command that runs it."""

    def write(code: str) -> tuple[str, ...]:
        path = tmp_path / "fake_engine.py"
        path.write_text(textwrap.dedent(code))
        return (sys.executable, str(path))

    return write


@pytest.fixture
async def host(script: Script) -> AsyncIterator[EngineHost]:
    host = EngineHost(script(FAKE))
    yield host
    await host.close()


async def say(host: EngineHost, text: str, deadline_s: float = 30) -> bytes:
    return (await host.speak(text, "one", deadline_s=deadline_s)).pcm


def is_running(pid: int) -> bool:
    """Neither gone nor waiting to be collected."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] not in "ZX"
    except FileNotFoundError:
        return False


async def until(condition: Callable[[], bool], deadline_s: float = 20) -> None:
    async with asyncio.timeout(deadline_s):
        while not condition():
            await asyncio.sleep(0.005)


async def test_host_speaks_one_after_another_in_one_process(host: EngineHost) -> None:
    assert (await host.ensure_started()).label == "Fake 1"
    pid = host.pid
    answers = await asyncio.gather(*(say(host, f"sentence {number}") for number in range(20)))
    assert answers == [f"sentence {number}".encode() * 2 for number in range(20)]
    assert host.pid == pid
    assert host.stats().starts == 1
    assert host.stats().restarts == 0
    assert host.stats().spoken_s == pytest.approx(sum(map(len, answers)) / 48_000)


@pytest.mark.parametrize(
    ("order", "deadline_s", "reason"),
    [("die", 30, "engine_crashed"), ("fail", 30, "engine_crashed"), ("hang", 0.3, "engine_hung")],
)
async def test_host_recovers_from_a_failed_engine(host: EngineHost, order: str, deadline_s: float, reason: str) -> None:
    await host.ensure_started()
    pid = host.pid
    assert pid is not None
    with pytest.raises(EngineFailed) as caught:
        await say(host, order, deadline_s)
    assert caught.value.reason == reason
    assert not is_running(pid)
    assert await say(host, "again") == b"again" * 2
    assert host.stats().restarts == 1
    assert host.stats().failures == {reason: 1}


async def test_host_counts_the_sentence_in_hand_and_then_its_whole_time(host: EngineHost) -> None:
    await host.ensure_started()
    assert host.stats().in_hand_s == 0
    speaking = asyncio.create_task(say(host, "hang", 0.3))
    await until(lambda: host.stats().in_hand_s > 0.1)
    assert host.stats().busy_s == 0
    with pytest.raises(EngineFailed):
        await speaking
    assert host.stats().in_hand_s == 0
    assert host.stats().busy_s >= 0.3


async def test_host_survives_a_refusal_in_the_same_process(host: EngineHost) -> None:
    await host.ensure_started()
    pid = host.pid
    with pytest.raises(EngineFailed, match="cannot") as caught:
        await say(host, "refuse")
    assert (caught.value.reason, caught.value.code) == ("engine_refused", "text_unspeakable")
    assert await say(host, "again") == b"again" * 2
    assert host.pid == pid


async def test_host_replaces_an_engine_that_asks_for_it_without_a_failure(host: EngineHost) -> None:
    await host.ensure_started()
    pid = host.pid
    assert await say(host, "leak") == b"leak" * 2
    assert await say(host, "again") == b"again" * 2
    assert host.pid != pid
    assert host.stats().starts == 2
    assert host.stats().failures == {}
    pid = host.pid
    assert await say(host, "and again") == b"and again" * 2
    assert host.pid == pid


async def test_host_restarts_an_engine_killed_while_idle_without_a_failure(host: EngineHost) -> None:
    await host.ensure_started()
    pid = host.pid
    assert pid is not None
    os.kill(pid, signal.SIGKILL)
    await until(lambda: host.pid is None)
    assert await say(host, "again") == b"again" * 2
    assert host.stats().failures == {}


async def test_host_gives_the_next_caller_its_own_answer_after_a_cancellation(host: EngineHost, tmp_path: Path) -> None:
    await host.ensure_started()
    pid = host.pid
    gate = tmp_path / "gate"
    os.mkfifo(gate)
    first = asyncio.create_task(say(host, f"wait {gate}"))
    await asyncio.sleep(0)
    first.cancel()
    with pytest.raises(asyncio.CancelledError):
        await first
    second = asyncio.create_task(say(host, "second"))
    await asyncio.to_thread(gate.write_text, "")  # waits until the engine has opened it, so it did get the request
    assert await second == b"second" * 2
    assert host.pid == pid, "a cancelled sentence costs no restart"


async def test_host_gives_the_next_caller_a_fresh_engine_where_a_cancelled_one_hangs(host: EngineHost) -> None:
    await host.ensure_started()
    pid = host.pid
    first = asyncio.create_task(say(host, "hang", deadline_s=0.3))
    await asyncio.sleep(0)
    first.cancel()
    with pytest.raises(asyncio.CancelledError):
        await first
    assert await say(host, "second") == b"second" * 2
    assert host.pid != pid


async def test_host_cancelled_while_waiting_for_its_turn_leaves_no_trace(host: EngineHost, tmp_path: Path) -> None:
    gate = tmp_path / "gate"
    os.mkfifo(gate)
    await host.ensure_started()
    first = asyncio.create_task(say(host, f"wait {gate}"))
    second = asyncio.create_task(say(host, "second"))
    await asyncio.sleep(0)
    second.cancel()
    await asyncio.to_thread(gate.write_text, "")
    assert (await first).startswith(b"wait")
    assert await say(host, "third") == b"third" * 2


async def test_host_is_not_disturbed_by_what_libraries_print(
    host: EngineHost, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO)
    assert await say(host, "print secret") == b"print secret" * 2
    await host.close()
    said = [record.getMessage() for record in caplog.records if getattr(record, "action", "") == "engine_said"]
    assert {"engine: printed by a library", "engine: progress", "engine: said on stderr"} <= {*said}
    assert max(map(len, said)) < 600


async def test_host_never_logs_a_text(host: EngineHost, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG)
    for order in ("die", "fail", "hang", "refuse"):
        with pytest.raises(EngineFailed) as caught:
            await say(host, f"{order} secret", deadline_s=0.3)
        assert "secret" not in str(caught.value)
    await host.close()
    assert "unexpected RuntimeError" in caplog.text
    assert "secret" not in caplog.text


HELLO_ONLY = """
    import os, sys
    from worker.engines.frames import FrameDecoder, encode_frame
    voice = {"id": "fake/one", "name": "One", "lang": "en", "language": "English"}
    hello = {"hello": 1, "engine": "fake", "version": "1", "label": "Fake", "rate": 24000,
             "voices": [voice], "variants": [], "default_voice": "fake/one"}
    os.write(1, encode_frame(hello))
    decoder = FrameDecoder()
    while (frame := decoder.next_frame()) is None:
        decoder.feed(os.read(0, 65536))
    number = frame[0]["id"]
"""


@pytest.mark.parametrize(
    "answer",
    [
        'b"Warning: something is deprecated"',
        'encode_frame({"id": number + 1, "words": []})',
        'encode_frame({"id": number, "words": []}, b"odd")',
        'encode_frame({"id": number, "words": [[0, 99, 0, 0]]})',
        'encode_frame({"id": number})',
    ],
    ids=["print", "other id", "odd", "word", "no words"],
)
async def test_host_kills_an_engine_that_answers_garbage(script: Script, answer: str) -> None:
    host = EngineHost(script(HELLO_ONLY + f"    os.write(1, {answer})\n    os.read(0, 1)\n"))
    await host.ensure_started()
    pid = host.pid
    assert pid is not None
    with pytest.raises(EngineFailed) as caught:
        await say(host, "hello")
    assert caught.value.reason == "engine_garbled"
    assert not is_running(pid)
    await host.close()


@pytest.mark.parametrize(
    ("code", "message"),
    [
        ("import no_such_module", "No module named 'no_such_module'"),
        ("print('hello')", "closed its output|a frame of"),
        ("import os; os.write(1, b'\\0\\0\\0\\4\\0\\2{}'); os.read(0, 1)", "not a hello"),
        ("import signal; signal.pause()", "no hello within 1 s"),
    ],
    ids=["module", "exit", "other", "silent"],
)
async def test_host_says_why_an_engine_does_not_start(script: Script, code: str, message: str) -> None:
    host = EngineHost(script(code), start_deadline_s=1 if "pause" in code else 30)
    with pytest.raises(EngineFailed, match=message) as caught:
        await host.ensure_started()
    assert caught.value.reason == "engine_unavailable"
    assert host.pid is None
    await host.close()


async def test_host_says_so_where_there_is_no_such_program() -> None:
    host = EngineHost(("/no/such/python", "-m", "x"))
    with pytest.raises(EngineFailed, match="No such file"):
        await host.ensure_started()
    await host.close()


async def test_host_waits_longer_after_each_failed_start(script: Script) -> None:
    host = EngineHost(("/no/such/python",), first_backoff_s=0.1)
    began = time.monotonic()
    for _ in range(3):
        with pytest.raises(EngineFailed):
            await host.ensure_started()
    assert time.monotonic() - began >= 0.1 + 0.2
    await host.close()


async def test_close_ends_the_engine_and_keeps_it_ended(host: EngineHost) -> None:
    await host.ensure_started()
    pid = host.pid
    assert pid is not None
    await host.close()
    assert not is_running(pid)
    with pytest.raises(EngineFailed) as caught:
        await say(host, "again")
    assert caught.value.reason == "engine_unavailable"
    await host.close()


async def test_close_does_not_wait_for_a_sentence(host: EngineHost) -> None:
    await host.ensure_started()
    speaking = asyncio.create_task(say(host, "hang"))
    queued = asyncio.create_task(say(host, "next"))
    await asyncio.sleep(0)
    async with asyncio.timeout(10):
        await host.close()
    for task in (speaking, queued):
        with pytest.raises(EngineFailed) as caught:
            await task
        assert caught.value.reason == "engine_unavailable"


@pytest.mark.parametrize("code", ["import signal; signal.pause()", "raise SystemExit"], ids=["starting", "backoff"])
async def test_close_does_not_wait_for_a_start(script: Script, code: str) -> None:
    host = EngineHost(script(code), first_backoff_s=60)
    if "SystemExit" in code:
        with pytest.raises(EngineFailed):
            await host.ensure_started()
    starting = asyncio.create_task(host.ensure_started())
    await asyncio.sleep(0)
    async with asyncio.timeout(10):
        await host.close()
    with pytest.raises(EngineFailed, match="closed"):
        await starting


async def test_start_cancelled_leaves_no_process(script: Script, tmp_path: Path) -> None:
    note = tmp_path / "pid"
    code = f"import os, signal; open({str(note)!r}, 'w').write(str(os.getpid())); signal.pause()"
    host = EngineHost(script(code))
    starting = asyncio.create_task(host.ensure_started())
    await until(lambda: note.exists() and note.read_text() != "")
    starting.cancel()
    with pytest.raises(asyncio.CancelledError):
        await starting
    assert not is_running(int(note.read_text()))
    await host.close()


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux kills a busy child with its parent")
async def test_engine_busy_with_a_sentence_dies_with_a_killed_worker(script: Script, tmp_path: Path) -> None:
    command = script(FAKE)
    hanging = tmp_path / "hanging"
    worker = tmp_path / "worker_process.py"
    worker.write_text(
        textwrap.dedent(f"""
        import asyncio
        from worker.engine import EngineHost

        async def main():
            host = EngineHost({command!r})
            await host.ensure_started()
            print(host.pid, flush=True)
            await host.speak("hang {hanging}", "one", deadline_s=1000)

        asyncio.run(main())
        """)
    )
    environ = {**os.environ, "PYTHONPATH": str(ROOT)}
    process = await asyncio.create_subprocess_exec(
        sys.executable, str(worker), stdout=asyncio.subprocess.PIPE, env=environ, cwd=ROOT
    )
    assert process.stdout is not None
    pid = int(await process.stdout.readline())
    await until(hanging.exists)
    assert is_running(pid)
    process.kill()
    await process.wait()
    await until(lambda: not is_running(pid))


def test_engine_sees_no_setting_of_ours_but_our_code_and_passive_openmp() -> None:
    environ = engine_environ({"STREAMTTS_S2_TOKEN": "secret", "PATH": "/bin", "PYTHONPATH": "/else"})
    assert environ == {"OMP_WAIT_POLICY": "PASSIVE", "PATH": "/bin", "PYTHONPATH": f"{ROOT}{os.pathsep}/else"}
    assert engine_environ({"OMP_WAIT_POLICY": "ACTIVE"})["OMP_WAIT_POLICY"] == "ACTIVE"


@pytest.mark.parametrize("engine", ["auto", "espeak"])
def test_choice_names_a_module_that_exists(engine: str) -> None:
    choice = choose_engine(Settings(engine=engine))
    assert choice.notice is None
    assert (ROOT / (choice.module.replace(".", "/") + ".py")).is_file()
    assert engine_command(choice.module) == (sys.executable, "-m", choice.module)
    assert engine_command(choice.module, "/other/python")[0] == "/other/python"
