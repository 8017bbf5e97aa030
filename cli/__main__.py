"""The command `streamtts`: arguments to one function each, errors to one line. Exit codes: 0, 1 failed, 2 usage."""

import argparse
import io
import os
import re
import shlex
import signal
import sys
from collections.abc import Mapping, Sequence
from importlib import metadata

from casts.errors import SettingsError, StreamTTSError
from casts.settings import PREFIX, read_settings, settings_table
from cli.progress import Progress

OK, FAILED, USAGE = 0, 1, 2
INTERRUPTED = 130  # the shell's number for a program that Ctrl-C ended
SECRET = re.compile(r"(^|_)(KEYS?|TOKENS?|SECRETS?|PASSWORDS?)$")

EXAMPLES = """examples:
  streamtts up                              everything, on http://127.0.0.1:8080
  streamtts up --port 0 --data /srv/casts   a free port, another folder
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
        return int(parsed.run(environ))
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

    settings = commands.add_parser("settings", help="list all settings with their values here")
    settings.set_defaults(run=_settings)

    s2_binary = commands.add_parser("s2-binary", help="print the path of S2-Lite's program; get it first if need be")
    s2_binary.set_defaults(run=_s2_binary)
    return parser


def _overrides(parsed: argparse.Namespace) -> dict[str, str]:
    """Options as the settings that they stand for, so that both are checked alike."""
    given = {name: getattr(parsed, name, None) for name in ("port", "data", "engine")}
    return {PREFIX + name.upper(): str(value) for name, value in given.items() if value is not None}


def _up(environ: Mapping[str, str]) -> int:
    from cli.up import up  # here: aiohttp takes a moment that the other commands need not wait for

    up(read_settings(environ), environ, shlex.join(["streamtts", *sys.argv[1:]]))
    return OK


def _s2_binary(environ: Mapping[str, str]) -> int:
    from cli.s2_binary import get_s2_binary

    print(get_s2_binary(read_settings(environ), environ, Progress(sys.stderr)).path)
    return OK


def _settings(environ: Mapping[str, str]) -> int:
    settings = read_settings(environ)
    rows = [(name, _shown(name, str(getattr(settings, _field(name)))), about) for name, _, about in settings_table()]
    name_width = max(len(name) for name, _, _ in rows)
    value_width = max(len(value) for _, value, _ in rows)
    for name, value, about in rows:
        print(f"{name:{name_width}}  {value:{value_width}}  {about}")
    return OK


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
