"""`streamtts up`: S2-Lite, worker and proxy in one terminal, from the settings to the line with the address."""

import asyncio
import signal
import sys
from collections.abc import Mapping
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from urllib.parse import urlsplit

import aiohttp

from casts.settings import Settings
from cli.api_client import local_url
from cli.data_folder import STORE_NAME, held_data_folder, load_or_make_key, make_admin_key
from cli.exposure import exposure_warning
from cli.keeper import Service
from cli.output import Output
from cli.ports import PortUnavailable, choose_port
from cli.probes import offered_voice, open_session, proxy_health, s2_health
from cli.progress import Progress
from cli.s2_binary import get_s2_binary
from cli.s2_command import s2_command, s2_environment
from cli.s2_program import S2Binary
from cli.supervisor import Supervisor

S2, WORKER, PROXY = "s2", "worker", "proxy"
READY_S = 60.0
S2_READY_S = 30.0
CODE_ROOT = Path(__file__).resolve().parent.parent


@dataclass(frozen=True, slots=True)
class Plan:
    """What will run, once everything that can fail early has not."""

    settings: Settings  # with the data folder absolute, the ports chosen and the key filled in
    environ: Mapping[str, str]
    binary: S2Binary | None  # None: S2 runs elsewhere

    @property
    def s2_url(self) -> str:
        return self.settings.s2_url or f"http://127.0.0.1:{self.settings.s2_port}"

    @property
    def proxy_url(self) -> str:
        """Where this machine reaches the proxy."""
        return local_url(self.settings)


def up(settings: Settings, environ: Mapping[str, str], command: str) -> None:
    """Run until a signal.

    Raises:
        StreamTTSError: it cannot run, with the reason and what to do.
    """
    progress = Progress(sys.stdout)
    with held_data_folder(settings.data, command) as folder:
        plan = make_plan(replace(settings, data=folder), environ, progress)
        asyncio.run(_serve(plan))


def make_plan(settings: Settings, environ: Mapping[str, str], progress: Progress) -> Plan:
    """Key, program and ports. The ports are looked at before the program, which may take minutes to get, too."""
    settings = replace(settings, s2_key=load_or_make_key(settings))
    make_admin_key(settings)
    _choose_ports(settings)
    binary = None
    if settings.s2_url:
        progress.line(f"S2: {settings.s2_url}")
    else:
        binary = get_s2_binary(settings, environ, progress)
        progress.line(f"S2-Lite: {binary}")
    progress.line(f"Data: {settings.data}")
    return Plan(_choose_ports(settings), environ, binary)


def _choose_ports(settings: Settings) -> Settings:
    port = choose_port(settings.host, settings.port, "STREAMTTS_PORT")
    if settings.s2_url:
        return replace(settings, port=port)
    # S2-Lite listens on all interfaces and has no option for it.
    s2_port = choose_port("0.0.0.0", settings.s2_port, "STREAMTTS_S2_PORT")  # noqa: S104
    if s2_port != port:
        return replace(settings, port=port, s2_port=s2_port)
    if 0 not in (settings.port, settings.s2_port):
        raise PortUnavailable(f"STREAMTTS_PORT and STREAMTTS_S2_PORT are both {port}: set one of them to another port")
    return _choose_ports(settings)  # the system may give the same free port twice, since nobody holds it yet


def services(plan: Plan, session: aiohttp.ClientSession, *, terminal: bool) -> list[Service]:
    """In the order of their start."""
    env = child_environment(plan, terminal=terminal)
    python = partial(Service, env=env, cwd=CODE_ROOT)
    ours = [
        python(WORKER, (sys.executable, "-m", "worker")),
        python(
            PROXY,
            (sys.executable, "-m", "proxy"),
            health=partial(proxy_health, session, plan.proxy_url),
            start_s=READY_S,
        ),
    ]
    if plan.binary is None:
        return ours
    command = s2_command(plan.binary, plan.settings.data / STORE_NAME, plan.settings.s2_port)
    s2 = Service(
        S2,
        command.argv,
        s2_environment(plan.environ),
        executable=command.executable,
        health=partial(s2_health, session, plan.s2_url),
        watched=True,
        start_s=S2_READY_S,
    )
    return [s2, *ours]


def child_environment(plan: Plan, *, terminal: bool) -> dict[str, str]:
    """What worker and proxy get: all that `up` got, with what it decided."""
    settings = plan.settings
    env = {
        **plan.environ,
        "PYTHONUNBUFFERED": "1",
        "STREAMTTS_DATA": str(settings.data),
        "STREAMTTS_HOST": settings.host,
        "STREAMTTS_PORT": str(settings.port),
        "STREAMTTS_S2_URL": plan.s2_url,
        "STREAMTTS_S2_KEY": settings.s2_key,
    }
    if settings.log == "auto" and terminal:
        env["STREAMTTS_LOG"] = "text"  # they write to a pipe, and cannot see that it ends on a terminal
    if "/" in settings.engine_python:  # theirs is another current folder
        env["STREAMTTS_ENGINE_PYTHON"] = str(Path(settings.engine_python).expanduser().absolute())
    return env


async def _serve(plan: Plan) -> None:
    terminal = sys.stdout.isatty()
    output = Output(sys.stdout, (S2, WORKER, PROXY), colours=terminal and "NO_COLOR" not in plan.environ)
    async with open_session() as session:
        await _look_at_remote_s2(plan, session, output)

        async def on_healthy(name: str) -> None:
            if name == S2 and (warning := await exposure_warning(plan.settings.s2_port)):
                output.say(warning)
            if name == PROXY:
                await _announce(plan, session, output)

        supervisor = Supervisor(services(plan, session, terminal=terminal), output, on_healthy=on_healthy)
        _stop_on_signals(supervisor, output)
        output.say("Starting " + ("S2-Lite, worker and proxy" if plan.binary else "worker and proxy"))
        await supervisor.run()
    output.say("StreamTTS has stopped.")


async def _look_at_remote_s2(plan: Plan, session: aiohttp.ClientSession, output: Output) -> None:
    if plan.binary or not is_plain_loopback(plan.s2_url):
        return
    health = await s2_health(session, plan.s2_url)
    if not health.ready:
        output.say(f"No S2 at {plan.s2_url} yet ({health.reason}): going on, the services keep trying")


def is_plain_loopback(url: str) -> bool:
    """Whether a URL is one of an S2-Lite on this machine, which has `/health`; S2 cloud has not."""
    parts = urlsplit(url)
    return parts.scheme == "http" and parts.hostname in ("127.0.0.1", "localhost", "::1")


async def _announce(plan: Plan, session: aiohttp.ClientSession, output: Output) -> None:
    output.say(f"StreamTTS is ready:  {plan.settings.public_url or plan.proxy_url}")
    voice = await offered_voice(session, plan.proxy_url)
    if voice:
        output.say(f"Voice: {voice.engine_label}")
        if voice.notice:
            output.say(voice.notice)
    output.say("Ctrl-C stops it.")


def _stop_on_signals(supervisor: Supervisor, output: Output) -> None:
    def stop(number: signal.Signals) -> None:
        output.say(f"Stopping ({number.name}; a second one kills at once)")
        supervisor.stop()

    loop = asyncio.get_running_loop()
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        if number != signal.SIGHUP or signal.getsignal(number) != signal.SIG_IGN:  # `nohup` stays in force
            loop.add_signal_handler(number, stop, number)
