"""Joins a Ray cluster, or starts a Ray of this machine alone: quick to say that there is none, and without its reports."""

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

STORE = 100 * 2**20  # bytes of Ray's object store; nothing of a run goes through it
QUIET = {
    "RAY_USAGE_STATS_ENABLED": "0",  # or Ray reports to its makers
    "RAY_ACCEL_ENV_VAR_OVERRIDE_ON_ZERO": "1",  # runs without GPUs see none
}
JOINING = {"RAY_NUM_REDIS_GET_RETRIES": "2"}  # tries to join a cluster; one takes a second, or 40 where no Ray is
LOOPBACK = ("localhost", "127.0.0.1", "::1", "[::1]")
ALONE = {"RAY_ENABLE_WINDOWS_OR_OSX_CLUSTER": "0"}  # on any system: Ray then listens on the loopback address only


def join(address: str | None) -> Any:
    """The module ``ray``, connected to the cluster at ``address``; None: to one of this machine alone, that ends with it.

    Raises:
        ConfigError: Ray is not installed, there is no such cluster, or this machine is no node of it.
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
        where = f"--address '{address}'" if address else "a Ray of this machine alone"
        raise ConfigError(
            f"{where} cannot be used: {first_line(error)}",
            "Run the command on a node of the cluster, where `ray status` says whether it is up; if it asks for a token, give "
            "--address auto or set RAY_AUTH_MODE=token.",
        ) from error
    return ray


def _imported(environment: Mapping[str, str]) -> Any:
    """Ray, which reads ``environment`` as it is imported."""
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
    """Tell quickly that nothing is there; Ray itself takes minutes, or ends the process.

    Args:
        address: of the cluster.
        own: this machine's address, at which Ray looks for a cluster on ``localhost``.
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
            "Start Ray with `ray start --head`, and give the address that it prints; for one that listens on the loopback "
            "address alone, set RAY_ENABLE_WINDOWS_OR_OSX_CLUSTER=0.",
        ) from error


@contextmanager
def _handlers() -> Iterator[None]:
    """What Ray does to SIGTERM and to uncaught errors is undone."""
    main, hook = threading.current_thread() is threading.main_thread(), sys.excepthook
    before = signal.getsignal(signal.SIGTERM)
    try:
        yield
    finally:
        sys.excepthook = hook
        if main and before is not None:
            signal.signal(signal.SIGTERM, before)


def first_line(error: BaseException) -> str:
    """What Ray says first; a page of advice follows."""
    return next((line for line in str(error).splitlines() if line.strip()), type(error).__name__)
