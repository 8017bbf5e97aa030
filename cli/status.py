"""`streamtts status`: queue, workers and casts in work, once or every second."""

import json
import shutil
import sys
import time
from argparse import Namespace
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any, TextIO

from casts.settings import read_settings
from cli.api_client import ApiClient, Unreachable, make_client
from cli.words import age_s, counted, length, size, table

WATCH_EVERY_S = 1.0

EXAMPLES = """examples:
  streamtts status                     a table
  streamtts status --watch             the same, drawn again every second until Ctrl-C
  streamtts status --json | jq .queue  for programs
  STREAMTTS_ADMIN_KEY=… streamtts status --url https://tts.example
"""


def run_status(parsed: Namespace, environ: Mapping[str, str]) -> None:
    """Print it. Raises StreamTTSError."""
    client = make_client(read_settings(environ), parsed.url)
    if parsed.watch:
        _watch(client, sys.stdout, as_json=parsed.json)
    elif parsed.json:
        print(json.dumps(client.status(), ensure_ascii=False, indent=2))
    else:
        print("\n".join(status_lines(client.url, client.status(), datetime.now(UTC))))


def _watch(client: ApiClient, out: TextIO, *, as_json: bool) -> None:
    """Until Ctrl-C. A proxy that is away for a moment is waited for."""
    redraw = out.isatty() and not as_json
    try:
        while True:
            try:
                status = client.status()
            except Unreachable as error:
                _draw([str(error)], sys.stderr if as_json else out, redraw=redraw)
            else:
                now = datetime.now(UTC)
                lines = [json.dumps(status, ensure_ascii=False)] if as_json else status_lines(client.url, status, now)
                _draw(lines, out, redraw=redraw)
            time.sleep(WATCH_EVERY_S)
    except KeyboardInterrupt:
        return


def _draw(lines: list[str], out: TextIO, *, redraw: bool) -> None:
    """On a terminal over the last one, cut to its size: a line that wraps would move all others."""
    if redraw:
        columns, rows = shutil.get_terminal_size()
        shown = "".join(f"{line[: columns - 1]}\x1b[K\n" for line in lines[: rows - 1])
        out.write(f"\x1b[H{shown}\x1b[J")
    else:
        out.write("".join(f"{line}\n" for line in lines))
    out.flush()


def status_lines(url: str, status: Any, now: datetime) -> list[str]:
    """The answer of `GET /api/admin/status` for people."""
    workers = status["workers"]
    lines = [f"StreamTTS at {url}", "", *_summary(status, now), "", *_worker_lines(workers)]
    casts = [(worker["name"], cast) for worker in workers if worker["alive"] for cast in worker["casts"]]
    if casts:
        lines += ["", *_cast_lines(casts)]
    return lines


def _summary(status: Any, now: datetime) -> list[str]:
    queue, jobs, proxy, dead = status["queue"], status["jobs"], status["proxy"], status["dead"]["count"]
    waiting = counted(queue["unfinished"], "unfinished cast")
    if queue["oldest_at"]:
        waiting += f", the first submitted {length(age_s(queue['oldest_at'], now))} ago"
    log = "unknown" if jobs["tail"] is None else f"tail {jobs['tail']}, watermark {jobs['committed']}"
    heard = f"{counted(proxy['listeners'], 'listener')}, {counted(proxy['channels'], 'live cast')}"
    return [
        f"queue  {waiting}",
        f"jobs   {log}",
        f"dead   {dead}" + ("   (streamtts dead list)" if dead else ""),
        f"proxy  {heard}, {size(proxy['kept_bytes'])} kept for them",
        f"store  {'answers' if status['store']['ok'] else 'DOES NOT ANSWER'}",
    ]


def _worker_lines(workers: list[Any]) -> list[str]:
    if not workers:
        return ["no worker has given a sign of life in the last day"]
    head = ("worker", "engine", "state", ">seen", ">speed", ">busy", ">jobs", ">casts", ">watermark")
    rows = [
        (
            worker["name"],
            worker["label"] or "-",
            "alive" if worker["alive"] else "LOST",
            f"{length(worker['seen_ms_ago'] / 1000)} ago",
            "-" if worker["engine_speed"] is None else f"{worker['engine_speed']:.3g}x",
            f"{100 * worker['busy_share']:.0f} %" if worker["alive"] else "-",
            worker["unfinished"],
            worker["active"],
            worker["watermark"],
        )
        for worker in workers
    ]
    return table(head, rows)


def _cast_lines(casts: list[tuple[str, Any]]) -> list[str]:
    head = ("cast", "worker", ">lead", ">sentences", ">attempt", "")
    rows = [
        (
            cast["id"],
            name,
            "-" if cast["lead_ms"] is None else length(cast["lead_ms"] / 1000),
            f"{cast['sentences_done']}/{cast['sentences']}",
            cast["attempt"],
            "asap" if cast["asap"] else "",
        )
        for name, cast in casts
    ]
    return table(head, rows)
