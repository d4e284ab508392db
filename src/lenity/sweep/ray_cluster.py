"""Connects to a Ray cluster, or starts Ray on this machine alone; fails quickly if there is no cluster, and turns off Ray's telemetry."""

from __future__ import annotations

import logging
import os
import signal
import socket
import sys
import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any

from lenity.errors import ConfigError

STORE = 100 * 2**20  # bytes of Ray's object store; runs do not use it
QUIET = {
    "RAY_USAGE_STATS_ENABLED": "0",  # no telemetry
    "RAY_ACCEL_ENV_VAR_OVERRIDE_ON_ZERO": "1",  # runs without GPUs see none
}
JOINING = {"RAY_NUM_REDIS_GET_RETRIES": "2"}  # a retry takes one second, or 40 if no Ray runs at the address
LOOPBACK = ("localhost", "127.0.0.1", "::1", "[::1]")
ALONE = {"RAY_ENABLE_WINDOWS_OR_OSX_CLUSTER": "0"}  # makes Ray listen on the loopback address only, on any system


def join(address: str | None) -> Any:
    """The module ``ray``, connected to the cluster at ``address``; None: to a cluster of this machine alone, which ends with the process.

    Raises:
        ConfigError: Ray is not installed, there is no such cluster, or this machine is not one of its nodes.
    """
    ray = _imported(QUIET | (JOINING if address else ALONE))
    if address:
        _knock(address, ray.util.get_node_ip_address)
    elif (own_address := ray.util.get_node_ip_address()) not in LOOPBACK:
        raise ConfigError(
            f"Ray would listen on {own_address}, because it was imported before the sweep.",
            "Set RAY_ENABLE_WINDOWS_OR_OSX_CLUSTER=0 before Ray is imported, or start a cluster and give its address.",
        )
    quiet = {"log_to_driver": False, "logging_level": logging.ERROR}
    own = {"num_cpus": os.cpu_count(), "include_dashboard": False, "object_store_memory": STORE}
    try:
        with _handlers():
            ray.init(address=address or "local", **quiet, **({} if address else own))
    except (ray.exceptions.RayError, OSError, RuntimeError, ValueError) as error:
        where = f"--address '{address}'" if address else "Ray on this machine alone"
        raise ConfigError(
            f"{where} cannot be used: {first_line(error)}",
            "Run the command on a node of the cluster, where `ray status` shows whether it is up; if it requires a token, give "
            "--address auto or set RAY_AUTH_MODE=token.",
        ) from error
    return ray


def _imported(environment: Mapping[str, str]) -> Any:
    """The module ``ray``, imported with ``environment`` set, which Ray reads at import."""
    for name, value in environment.items():
        os.environ.setdefault(name, value)
    try:
        with _handlers():
            import ray
    except ImportError as error:
        raise ConfigError(
            f"--executor ray needs the package ray, which cannot be imported ({error}).",
            "Install it with `pip install 'lenity[ray]'`.",
        ) from error
    return ray


def _knock(address: str, own: Callable[[], str]) -> None:
    """Check that a server listens at ``address``; Ray itself would take minutes to fail, or end the process.

    Args:
        address: address of the cluster.
        own: a function that returns this machine's address, where Ray looks for a cluster on ``localhost``.

    Raises:
        ConfigError: the address is malformed, or the connection fails.
    """
    if address == "auto":
        return
    host, _, port = address.rpartition(":")
    if "://" in address or not (host and port.isdigit()):
        raise ConfigError(
            f"--address is '{address}', not host:port or auto.",
            "Run the command on a node of the cluster, and give the address that `ray start --head` printed.",
        )
    host = own() if host in LOOPBACK else host
    try:
        socket.create_connection((host, int(port)), timeout=5).close()
    except (OSError, OverflowError) as error:
        raise ConfigError(
            f"--address '{address}': nothing answers at port {port} of {host} ({error}).",
            "Start Ray with `ray start --head`, and give the address that it prints; to make Ray listen on the loopback "
            "address only, set RAY_ENABLE_WINDOWS_OR_OSX_CLUSTER=0.",
        ) from error


@contextmanager
def _handlers() -> Iterator[None]:
    """A context that restores the handler of SIGTERM and ``sys.excepthook``, which Ray replaces."""
    main, hook = threading.current_thread() is threading.main_thread(), sys.excepthook
    before = signal.getsignal(signal.SIGTERM)
    try:
        yield
    finally:
        sys.excepthook = hook
        if main and before is not None:
            signal.signal(signal.SIGTERM, before)


def first_line(error: BaseException) -> str:
    """The first line of an error's message that is not empty; Ray appends a page of advice."""
    return next((line for line in str(error).splitlines() if line.strip()), type(error).__name__)
