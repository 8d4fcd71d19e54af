"""Several processes of one training or sweep on one machine, which other machines cannot reach."""

import os
import socket
import sys
from datetime import timedelta

from pytorch_lightning.plugins.environments import LightningEnvironment
from torch.distributed import TCPStore

from experiments.command_line.peers import RANK, start_peers

LOOPBACK = "127.0.0.1"
FROM_OUTSIDE = ("MASTER_ADDR", "MASTER_PORT", "NODE_RANK", "GROUP_RANK", RANK)
"""Environment variables by which launchers, or users without one, tell processes the address of their store."""

MARKER = "ROBUST_SEGMENTATION_ONE_MACHINE"
"""Environment variable that marks the values of the others as set by this module."""

_stores: list[TCPStore] = []  # a store lives as long as its object


class OneMachine(LightningEnvironment):
    """Lightning's environment without a cluster, with another address of the store and another handling of lost processes.

    Lightning has the first process listen on all interfaces of the machine, as long as it runs and without
    authentication; here the store listens on the loopback address. Lightning's launcher leaves the other processes running
    when the first one ends, and ends the first one without a message when another ends; see
    `experiments.command_line.peers`.
    """

    @staticmethod
    def detect() -> bool:
        """Whether nothing else sets the address of the store."""
        return MARKER in os.environ or not any(name in os.environ for name in FROM_OUTSIDE)

    @property
    def main_address(self) -> str:
        """Address of the store."""
        return LOOPBACK

    @property
    def main_port(self) -> int:
        """Port of the store; the first access opens it."""
        if MARKER not in os.environ:
            os.environ.update(_open_store())
        return int(os.environ["MASTER_PORT"])

    def validate_settings(self, num_devices: int, num_nodes: int) -> None:
        """Start the other processes; called by Lightning's launcher, which starts none where `LOCAL_RANK` is set."""
        if self.creates_processes_externally:
            return
        os.environ |= {"MASTER_PORT": str(self.main_port), "NODE_RANK": "0", RANK: "0", "WORLD_SIZE": str(num_devices)}
        words = [sys.executable, "-m", "experiments", *sys.argv[1:]]
        start_peers(words, [{**os.environ, RANK: str(rank)} for rank in range(1, num_devices)])


def _open_store() -> dict[str, str]:
    """Open the store on the loopback address alone; the environment variables of torchrun that describe it.

    They have every process, the first one included, join a store that is open already.
    """
    listener = socket.socket()
    listener.bind((LOOPBACK, 0))
    listener.listen()
    port = listener.getsockname()[1]
    descriptor = listener.detach()
    _stores.append(
        TCPStore(
            LOOPBACK,
            port,
            is_master=True,
            timeout=timedelta(minutes=30),
            wait_for_workers=False,
            master_listen_fd=descriptor,
        )
    )
    loopback = next((name for _, name in socket.if_nameindex() if name.startswith("lo")), None)
    interfaces = {f"{library}_SOCKET_IFNAME": loopback for library in ("GLOO", "NCCL") if loopback}
    chosen = {name: os.environ.get(name, value) for name, value in interfaces.items()}
    return {MARKER: "1", "MASTER_PORT": str(port), "TORCHELASTIC_USE_AGENT_STORE": "True", **chosen}
