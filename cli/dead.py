"""`streamtts dead`: the jobs that failed past their retries, and how to bring them back."""

import json
from argparse import Namespace
from collections.abc import Mapping
from typing import Any

from casts.errors import SettingsError, StreamTTSError
from casts.ids import CastId, is_cast_id
from casts.settings import read_settings
from cli.api_client import MOST_DEAD, ApiClient, RequestRefused, make_client
from cli.words import counted, harmless, table

EXAMPLES = """examples:
  streamtts dead list                  the last 20, newest first
  streamtts dead show MCKyuqVVXB-k     one cast and all its dead jobs
  streamtts dead retry MCKyuqVVXB-k    speak it again, from its first missing sentence on
  streamtts dead retry --all           the same for every cast that still lies there
"""


class NothingDead(StreamTTSError):
    """There is no dead job of the cast that was named."""


class SomeRefused(StreamTTSError):
    """Not every cast could be retried."""


def run_list(parsed: Namespace, environ: Mapping[str, str]) -> None:
    found = _client(parsed, environ).dead(parsed.limit)
    if parsed.json:
        _print_json(found)
    elif found:
        print("\n".join(dead_lines(found)))
    else:
        print("no dead jobs")


def run_show(parsed: Namespace, environ: Mapping[str, str]) -> None:
    client, cast_id = _client(parsed, environ), _cast_id(parsed.id)
    found = client.dead(MOST_DEAD, cast_id)
    if not found:
        raise NothingDead(f"there is no dead job of {cast_id}; `streamtts dead list` shows those that there are")
    cast = _described(client, cast_id)
    if parsed.json:
        _print_json({"cast": cast, "dead": found})
    else:
        print("\n".join([*cast_lines(cast_id, cast), "", *dead_lines(found)]))


def run_retry(parsed: Namespace, environ: Mapping[str, str]) -> None:
    client = _client(parsed, environ)
    if parsed.all:
        _retry_all(client, as_json=parsed.json)
        return
    cast = client.retry(_cast_id(parsed.id))
    if parsed.json:
        _print_json(cast)
    else:
        print(f"{cast['id']} is {cast['state']} again: {harmless(cast['url'])}")


def _retry_all(client: ApiClient, *, as_json: bool) -> None:
    """Every cast that is neither done nor retried nor gone. Raises SomeRefused at the end."""
    retried, refused = [], []
    for cast_id in dict.fromkeys(entry["id"] for entry in client.dead(MOST_DEAD) if entry["since"] is None):
        try:
            client.retry(cast_id)
        except RequestRefused as error:
            if error.code == "not_failed":  # somebody else was faster
                continue
            refused.append({"id": cast_id, "code": error.code, "message": str(error)})
            said = str(error)
        else:
            retried.append(cast_id)
            said = "queued again"
        if not as_json:
            print(f"{cast_id}  {harmless(said)}")
    if as_json:
        _print_json({"retried": retried, "refused": refused})
    elif not retried and not refused:
        print("nothing to retry")
    if refused:
        raise SomeRefused(f"{counted(len(refused), 'cast')} could not be retried")


def dead_lines(found: list[Any]) -> list[str]:
    """Answers of `GET /api/admin/dead` for people."""
    head = ("died", "cast", ">job", "reason", "since then", "message")
    rows = [
        (
            entry["at"].replace("T", " ").replace("Z", " UTC"),
            entry["id"],
            entry["offset"],
            entry["reason"],
            entry["since"] or "-",
            entry["message"],
        )
        for entry in found
    ]
    return table(head, rows)


def cast_lines(cast_id: CastId, cast: Any | None) -> list[str]:
    """The answer of `GET /api/casts/{id}` for people; None for a cast that is gone."""
    if cast is None:
        return [f"cast   {cast_id}", "state  gone: deleted or expired"]
    done = f"{cast['sentences_done']} of {cast['sentences'] or '?'} sentences"
    facts = {
        "cast": cast_id,
        "title": cast["title"],
        "voice": cast["voice"],
        "state": f"{cast['state']}, {done}",
        "page": cast["url"],
    }
    return [f"{name:5}  {harmless(value)}" for name, value in facts.items()]


def _described(client: ApiClient, cast_id: CastId) -> Any | None:
    try:
        return client.cast(cast_id)
    except RequestRefused as error:
        if error.code != "cast_not_found":
            raise
        return None


def _client(parsed: Namespace, environ: Mapping[str, str]) -> ApiClient:
    return make_client(read_settings(environ), parsed.url)


def _cast_id(raw: str) -> CastId:
    """Of an id or a link; the way for an id that begins with a dash and so looks like an option."""
    last = raw.rpartition("/")[2]
    if not is_cast_id(last):
        raise SettingsError(f"{raw!r} is no id of a cast: that has 12 or 22 letters, digits, - and _")
    return CastId(last)


def _print_json(value: object) -> None:
    print(json.dumps(value, ensure_ascii=False, indent=2))
