"""The command `streamtts`: arguments to one function each, errors to one line. Exit codes: 0, 1 failed, 2 usage."""

import argparse
import io
import os
import re
import shlex
import signal
import sys
from collections.abc import Callable, Mapping, Sequence
from importlib import metadata
from typing import TypeAlias

from casts.errors import SettingsError, StreamTTSError
from casts.settings import PREFIX, read_settings, settings_table
from cli import dead, status
from cli.api_client import MOST_DEAD
from cli.progress import Progress

OK, FAILED, USAGE = 0, 1, 2
INTERRUPTED = 130  # the shell's number for a program that Ctrl-C ended
SECRET = re.compile(r"(^|_)(KEYS?|TOKENS?|SECRETS?|PASSWORDS?)$")

CAST_ID = "the cast's id, or its link"
Run = Callable[[argparse.Namespace, Mapping[str, str]], None]
Commands: TypeAlias = "argparse._SubParsersAction[argparse.ArgumentParser]"

EXAMPLES = """examples:
  streamtts up                              everything, on http://127.0.0.1:8080
  streamtts up --port 0 --data /srv/casts   a free port, another folder
  streamtts status --watch                  queue, workers and casts in work, every second
  streamtts dead retry --all                every failed cast again
  streamtts settings                        every STREAMTTS_* variable with its value
  streamtts s2-binary                       the path of S2-Lite's program, which is got first if need be
"""


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command and return its exit code."""
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="replace")  # a name need not fit the terminal's encoding
    signal.signal(signal.SIGTERM, _end_in_order)
    parsed = _parser().parse_args(arguments)
    environ = {**os.environ, **_overrides(parsed)}
    try:
        parsed.run(parsed, environ)
        return OK
    except SettingsError as error:
        return _complain(error, USAGE)
    except StreamTTSError as error:
        return _complain(error, FAILED)
    except KeyboardInterrupt:
        return INTERRUPTED
    except BrokenPipeError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())  # else Python complains at its exit
        return FAILED


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="streamtts",
        description="Text to speech on durable streams, on your own machine.",
        epilog=EXAMPLES,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--version", action="version", version=f"streamtts {_version()}")
    commands = parser.add_subparsers(title="commands", required=True, metavar="COMMAND")

    up = commands.add_parser("up", help="run S2-Lite, worker and proxy in this terminal until Ctrl-C")
    up.add_argument("--port", metavar="N", help="port of the page and the API; 0 takes a free one")
    up.add_argument("--data", metavar="FOLDER", help="folder for everything that must survive a restart")
    up.add_argument("--engine", metavar="NAME", help="voice engine")
    up.set_defaults(run=_up)

    _add_status(commands)
    _add_dead(commands)

    settings = commands.add_parser("settings", help="list all settings with their values here")
    settings.set_defaults(run=_settings)

    s2_binary = commands.add_parser("s2-binary", help="print the path of S2-Lite's program; get it first if need be")
    s2_binary.set_defaults(run=_s2_binary)
    return parser


def _add_status(commands: Commands) -> None:
    command = _with_examples(commands, "status", "show queue, workers and the casts in work", status.EXAMPLES)
    command.add_argument("--watch", action="store_true", help="again every second, until Ctrl-C")
    _add_address(command, status.run_status)


def _add_dead(commands: Commands) -> None:
    command = _with_examples(
        commands, "dead", "list, show and retry jobs that failed past their retries", dead.EXAMPLES
    )
    actions = command.add_subparsers(title="actions", required=True, metavar="ACTION")

    listing = _with_examples(actions, "list", "the newest dead jobs", dead.EXAMPLES)
    listing.add_argument("--limit", type=_limit, default=20, metavar="N", help=f"how many, 1 to {MOST_DEAD}")
    _add_address(listing, dead.run_list)

    show = _with_examples(actions, "show", "one cast and its dead jobs", dead.EXAMPLES)
    show.add_argument("id", metavar="ID", help=CAST_ID)
    _add_address(show, dead.run_show)

    retry = _with_examples(actions, "retry", "speak a failed cast again, or all of them", dead.EXAMPLES)
    which = retry.add_mutually_exclusive_group(required=True)
    which.add_argument("id", nargs="?", metavar="ID", help=CAST_ID)
    which.add_argument("--all", action="store_true", help="every cast that is neither done nor retried since")
    _add_address(retry, dead.run_retry)


def _with_examples(commands: Commands, name: str, about: str, examples: str) -> argparse.ArgumentParser:
    return commands.add_parser(
        name,
        help=about,
        description=f"{about[0].upper()}{about[1:]}.",
        epilog=examples,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )


def _add_address(command: argparse.ArgumentParser, run: Run) -> None:
    """What every command has that asks the proxy."""
    command.add_argument("--json", action="store_true", help="for programs")
    command.add_argument("--url", metavar="URL", help="address of the proxy; else http://127.0.0.1:$STREAMTTS_PORT")
    command.add_argument("--data", metavar="FOLDER", help="data folder whose admin.key is used")
    command.set_defaults(run=run)


def _limit(raw: str) -> int:
    if not (raw.isascii() and raw.isdigit() and 1 <= int(raw) <= MOST_DEAD):
        raise argparse.ArgumentTypeError(f"{raw!r} is no number from 1 to {MOST_DEAD}")
    return int(raw)


def _overrides(parsed: argparse.Namespace) -> dict[str, str]:
    """Options as the settings that they stand for, so that both are checked alike."""
    given = {name: getattr(parsed, name, None) for name in ("port", "data", "engine")}
    return {PREFIX + name.upper(): str(value) for name, value in given.items() if value is not None}


def _up(parsed: argparse.Namespace, environ: Mapping[str, str]) -> None:
    from cli.up import up  # here: aiohttp takes a moment that the other commands need not wait for

    up(read_settings(environ), environ, shlex.join(["streamtts", *sys.argv[1:]]))


def _s2_binary(parsed: argparse.Namespace, environ: Mapping[str, str]) -> None:
    from cli.s2_binary import get_s2_binary

    print(get_s2_binary(read_settings(environ), environ, Progress(sys.stderr)).path)


def _settings(parsed: argparse.Namespace, environ: Mapping[str, str]) -> None:
    settings = read_settings(environ)
    rows = [(name, _shown(name, str(getattr(settings, _field(name)))), about) for name, _, about in settings_table()]
    name_width = max(len(name) for name, _, _ in rows)
    value_width = max(len(value) for _, value, _ in rows)
    for name, value, about in rows:
        print(f"{name:{name_width}}  {value:{value_width}}  {about}")


def _field(name: str) -> str:
    return name.removeprefix(PREFIX).lower()


def _shown(name: str, value: str) -> str:
    if value and SECRET.search(name):
        return "(set)"
    return value or "-"


def _complain(error: StreamTTSError, code: int) -> int:
    print(f"streamtts: {error}", file=sys.stderr)
    return code


def _end_in_order(number: int, frame: object) -> None:
    """SIGTERM outside of `up`'s own loop: unwind, so that a build's compilers and a half-made file go too."""
    sys.exit(128 + number)


def _version() -> str:
    try:
        return metadata.version("streamtts")
    except metadata.PackageNotFoundError:
        return "(not installed: run from a checkout)"


if __name__ == "__main__":
    sys.exit(main())
