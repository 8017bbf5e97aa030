"""The command line and the environment of the S2-Lite that `up` starts."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from cli.s2_program import PINNED_VERSION, S2Binary

# Dotted on purpose: S2-Lite reads nested settings so, and a shell could not export the name. Without it the
# store's collector fails on a local disk and old manifests pile up (slatedb issue 2089).
BOUNDARY_FILES = "SL8_GARBAGE_COLLECTOR_OPTIONS.BOUNDARY_FILES_ENABLED"

# S2-Lite writes durable batches on this tick, 5 ms unless told: 2 ms takes a submit from 32 to 20 ms, and 1 ms no
# further (docs/decisions/0007). On an SD card or eMMC 20ms spares the medium.
FLUSH_INTERVAL = "2ms"

ENVIRONMENT = {
    "SL8_FLUSH_INTERVAL": FLUSH_INTERVAL,
    "RUST_LOG": "warn",
    "NO_COLOR": "1",  # else it colours its lines in a pipe too
    "S2LITE_NO_DASHBOARD": "true",  # the option below, for versions that do not know it
    BOUNDARY_FILES: "false",
    "SL8_MAX_UNFLUSHED_BYTES": str(128 * 1024 * 1024),  # the defaults, 1 GiB and 64 MiB, are for large machines
    "SL8_L0_SST_SIZE_BYTES": str(16 * 1024 * 1024),
}


@dataclass(frozen=True, slots=True)
class S2Command:
    """What to execute and the words that a process list shows, in which ` lite ` always stands."""

    executable: Path
    argv: tuple[str, ...]


def s2_command(binary: S2Binary, root: Path, port: int) -> S2Command:
    """S2-Lite on the folder `root`. Its port is open on all interfaces: it has no option for that."""
    name = (str(binary.path), "lite") if binary.needs_lite_word else ("s2 lite",)
    options = ("--local-root", str(root), "--port", str(port), "--no-cors")
    pinned = tuple(int(part) for part in PINNED_VERSION.split("."))
    dashboard = ("--no-dashboard",) if binary.version >= pinned else ()  # 0.42 refuses it and has no dashboard
    return S2Command(binary.path, name + options + dashboard)


def s2_environment(environ: Mapping[str, str]) -> dict[str, str]:
    """`environ` with S2-Lite's settings; what the operator set stays."""
    return ENVIRONMENT | dict(environ)
