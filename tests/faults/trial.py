"""One seed on a running deployment: faults while texts are submitted and read, then calm, then every check."""

import asyncio
import contextlib
import dataclasses
import random
import signal
import time
from collections import Counter
from collections.abc import Callable

import aiohttp

from casts.ids import CastId, content_id
from casts.names import JOBS, PROGRESS_DONE, output
from streams.port import Entry
from tests.faults.deployment import Deployment
from tests.faults.invariants import Broken, CastFacts, check_attempts, check_served, check_stream, check_view
from tests.faults.plan import Plan, PlannedFault, PlannedReader, PlannedSubmit
from tests.faults.reader import Reader, replay
from worker.retry import MAX_FAILURES

VOICE = "espeak/en-us"
SUBMIT_TIMEOUT_S = 20.0
END_DEADLINE_S = 120.0
PROBE_DEADLINE_S = 60.0
CURSOR_DEADLINE_S = 60.0
"""Generous: they tell `never` from `late on a busy machine`."""


class Trial:
    """Attributes:
    counts: what happened, for the table.
    events: what happened when, for the reader of a break; no text stands in it.
    """

    def __init__(self, deployment: Deployment, plan: Plan) -> None:
        self.counts: Counter[str] = Counter()
        self.events: list[str] = []
        self._deployment = deployment
        self._plan = plan
        self._ids = [content_id(text, VOICE) for text in plan.texts]
        self._texts = dict(zip(self._ids, plan.texts, strict=True))
        self._failed: set[CastId] = set()
        self._readers: list[Reader] = []
        self._began = time.monotonic()
        self._rng = random.Random(plan.seed + 1)

    async def run(self) -> None:
        """Raises Broken where an invariant does not hold."""
        timeout = aiohttp.ClientTimeout(total=SUBMIT_TIMEOUT_S)
        connector = aiohttp.TCPConnector(limit=0, force_close=True)
        async with aiohttp.ClientSession(self._deployment.url, timeout=timeout, connector=connector) as session:
            await self._deployment.until_ready(session)
            self._began = time.monotonic()
            try:
                async with asyncio.TaskGroup() as group:
                    reading = [group.create_task(self._read(session, one)) for one in self._plan.readers]
                    async with asyncio.TaskGroup() as storm:
                        for fault in self._plan.faults:
                            storm.create_task(self._inflict(fault))
                        for submit in self._plan.submits:
                            storm.create_task(self._submit_at(session, submit))
                    self._note("calm")
                    await self._finish(session)
                    await self._wait("every reader hears the end", lambda: all(task.done() for task in reading))
            except* Broken as broken:
                raise _first(broken) from None
            await self._probe(session)
            await self._check(session)

    def _note(self, what: str) -> None:
        self.events.append(f"{time.monotonic() - self._began:7.3f}  {what}")

    async def _until(self, at_s: float) -> None:
        await asyncio.sleep(max(0.0, self._began + at_s - time.monotonic()))

    async def _wait(self, name: str, holds: Callable[[], bool], deadline_s: float = END_DEADLINE_S) -> None:
        until = time.monotonic() + deadline_s
        while not holds():
            if time.monotonic() > until:
                raise Broken(name, f"not in {deadline_s:g} s")
            await asyncio.sleep(0.05)

    # The storm

    async def _inflict(self, fault: PlannedFault) -> None:
        await self._until(fault.at_s)
        self._note(f"{fault.kind} {fault.target} {fault.lasts_s:.2f} s")
        if not await self._deployment.inflict(fault):
            self._note(f"{fault.kind} {fault.target}: it was not there")
            return
        group = {"kill": "kills", "stop": "stops"}.get(fault.kind, "links")
        self.counts[f"{group} {fault.target if group != 'links' else fault.kind}"] += 1
        if fault.lasts_s and fault.kind != "kill":
            self._note(f"{fault.kind} {fault.target} is over")

    async def _submit_at(self, session: aiohttp.ClientSession, submit: PlannedSubmit) -> None:
        await self._until(submit.at_s)
        await self._submit(session, submit.text, submit.asap)

    async def _submit(self, session: aiohttp.ClientSession, text: int, asap: bool) -> bool:
        """Returns whether it was accepted."""
        cast_id, outcome = self._ids[text], "unanswered"
        with contextlib.suppress(aiohttp.ClientError, TimeoutError, OSError):
            wish = {"text": self._plan.texts[text], "voice": VOICE, "asap": asap}
            async with session.post("/api/casts", json=wish) as answer:
                body = await answer.json()
                outcome = str(answer.status)
            if answer.status in (200, 201):
                if body["id"] != cast_id:
                    raise Broken("the id is that of the content", f"{body['id']} for {cast_id}")
            elif answer.status != 503:
                raise Broken("a submit is taken or put off", f"{cast_id}: {answer.status} {body}")
        self.counts[f"submits {outcome}"] += 1
        self._note(f"submit {cast_id}{' asap' if asap else ''}: {outcome}")
        return outcome in ("200", "201")

    async def _read(self, session: aiohttp.ClientSession, planned: PlannedReader) -> None:
        await self._until(planned.at_s)
        reader = Reader(session, self._ids[planned.text], planned.cursor)
        self._readers.append(reader)
        self.counts["readers"] += 1
        await reader.run()

    # Calm

    async def _finish(self, session: aiohttp.ClientSession) -> None:
        """Everything is up; what was not accepted is submitted again; all are waited for until they are done."""
        try:
            await self._deployment.until_ready(session)
        except TimeoutError:
            raise Broken("everything comes up again", "not ready") from None
        self._note("ready")
        until = time.monotonic() + END_DEADLINE_S
        for number in range(len(self._plan.texts)):  # with `asap`, so that nothing rests at its comfort
            while not await self._submit(session, number, True):
                if time.monotonic() > until:
                    raise Broken("a submit in calm is taken", self._ids[number])
                await asyncio.sleep(0.3)
        for number, cast_id in enumerate(self._ids):
            while (state := await self._state(session, cast_id)) != "done":
                if time.monotonic() > until:
                    raise Broken("every accepted cast ends", f"{cast_id} is {state}")
                if state == "failed":
                    await self._accept_failure(cast_id)
                    await self._submit(session, number, True)
                await asyncio.sleep(0.1)
            self._note(f"{cast_id} is done")

    async def _accept_failure(self, cast_id: CastId) -> None:
        """A cast may fail where its engine died at it again and again; then the next submit is a new try."""
        fold = check_attempts(await self._entries(cast_id)).fold
        if fold.ended != "fail":
            return  # a new try has begun meanwhile
        if fold.failures + 1 < MAX_FAILURES:
            raise Broken("a cast fails only with its budget used up", f"{cast_id}: {fold.reason}")
        self.counts["failures"] += 1
        self._failed.add(cast_id)
        self._note(f"{cast_id} failed: {fold.reason}")

    async def _state(self, session: aiohttp.ClientSession, cast_id: CastId) -> str:
        with contextlib.suppress(aiohttp.ClientError, TimeoutError, OSError):
            async with session.get(f"/api/casts/{cast_id}") as answer:
                body = await answer.json()
                if answer.status == 200:
                    return str(body["state"])
                if answer.status != 503:
                    raise Broken("an accepted cast is there", f"{cast_id}: {answer.status}")
        return "unanswered"

    async def _probe(self, session: aiohttp.ClientSession) -> None:
        """One worker alone still speaks: each lets the other rest in turn, so that none is dead and unnoticed."""
        workers = ["worker1", "worker2"]
        self._rng.shuffle(workers)
        alone, stopped = workers
        text = f"{alone} speaks alone after text {self._plan.seed}."
        self._plan = dataclasses.replace(self._plan, texts=(*self._plan.texts, text))
        cast_id = content_id(text, VOICE)
        self._ids.append(cast_id)
        self._texts[cast_id] = text
        service = self._deployment.services[stopped]
        service.signal(signal.SIGSTOP)
        try:
            until = time.monotonic() + PROBE_DEADLINE_S
            while not await self._submit(session, len(self._plan.texts) - 1, True):
                if time.monotonic() > until:
                    raise Broken("a submit in calm is taken", cast_id)
                await asyncio.sleep(0.3)
            while (state := await self._state(session, cast_id)) != "done":
                if time.monotonic() > until:
                    raise Broken("each worker works alone", f"{alone}: {cast_id} is {state}")
                await asyncio.sleep(0.05)
        finally:
            service.signal(signal.SIGCONT)
        self._note(f"{alone} worked alone")

    # Checks

    async def _check(self, session: aiohttp.ClientSession) -> None:
        for cast_id in self._ids:
            entries = await self._entries(cast_id)
            try:
                facts = check_stream(entries, self._texts[cast_id])
            except Broken:
                self.events += [f"{cast_id}: {_shown(entry)}" for entry in entries]
                raise
            self._count(facts)
            served = await replay(session, cast_id, END_DEADLINE_S)
            stored_upto = entries[-2].seq_num  # a reader stops at `eos`; the seal behind it is never served
            check_served(served, [entry for entry in entries if entry.seq_num <= stored_upto])
            for reader in self._readers:
                if reader.cast_id == cast_id:
                    check_view(reader.seen, served, reader.start)
                    self.counts["resumed reads"] += reader.resumes
            await self._check_books(cast_id, facts)
        watch = self._deployment.watch
        tail = await self._deployment.store.tail(JOBS)
        await self._wait("the cursor reaches the tail of jobs", lambda: watch.committed == tail, CURSOR_DEADLINE_S)
        self._check_services()

    async def _check_books(self, cast_id: CastId, facts: CastFacts) -> None:
        """Jobs and receipts of one cast; the cursor passed none of them before the cast had ended."""
        watch = self._deployment.watch
        await self._wait(f"a job for {cast_id}", lambda: bool(watch.jobs.get(cast_id)) or JOBS in watch.unseen)
        done = lambda: bool(watch.receipts.get(cast_id)) or PROGRESS_DONE in watch.unseen  # noqa: E731
        await self._wait(f"a receipt for {cast_id}", done, CURSOR_DEADLINE_S)
        if (dead := watch.dead.get(cast_id)) and cast_id not in self._failed:
            raise Broken("no job is dead", f"{cast_id}: {dead[0].reason}")
        for offset in watch.jobs.get(cast_id, []):
            passed_at = watch.passed_at(offset)
            if passed_at is not None and passed_at < facts.ended_at:
                raise Broken("the cursor passes what has ended", f"{cast_id}: job {offset}")
        self.counts["jobs"] += len(watch.jobs.get(cast_id, []))

    def _check_services(self) -> None:
        if self._deployment.watch.broken:
            raise Broken("the shared streams go forward", "; ".join(self._deployment.watch.broken))
        for service in self._deployment.services.values():
            if service.deaths:
                raise Broken("no process ends by itself", f"{service.name}: status {service.deaths}")

    async def _entries(self, cast_id: CastId) -> list[Entry]:
        """The raw stream, commands included, past every link."""
        entries: list[Entry] = []
        while page := await self._deployment.store.read(output(cast_id), len(entries)):
            entries += page
        return entries

    def _count(self, facts: CastFacts) -> None:
        self.counts["casts"] += 1
        self.counts["sentences"] += len(facts.fold.sentences)
        self.counts["attempts first"] += 1
        self.counts["attempts taken over"] += facts.takeovers
        self.counts["attempts resumed"] += facts.resumes
        self.counts["engine failures"] += facts.failed_starts
        self.counts["wasted sentences"] += facts.wasted


def _shown(entry: Entry) -> str:
    """A record in a line, without the words that are spoken in it."""
    if entry.command is not None:
        what = f"{entry.command.decode()} {entry.body.decode()}"
    else:
        headers = {name.decode(): value.decode() for name, value in entry.headers}
        what = " ".join(f"{name}={headers[name]}" for name in ("e", "n", "i", "r", "c") if name in headers)
    return f"{entry.seq_num:4d}  {entry.timestamp % 10_000_000:7d}  {what}"


def _first(group: BaseExceptionGroup[Broken]) -> Broken:
    """One of the breaks that ended a trial."""
    found: BaseException = group
    while isinstance(found, BaseExceptionGroup):
        found = found.exceptions[0]
    assert isinstance(found, Broken)
    return found
