"""Several processes of one training or sweep on one machine, which nobody outside can reach."""

import os
import socket
import sys
from datetime import timedelta

from pytorch_lightning.plugins.environments import LightningEnvironment
from torch.distributed import TCPStore

from experiments.command_line.peers import RANK, start_peers

LOOPBACK = "127.0.0.1"
FROM_OUTSIDE = ("MASTER_ADDR", "MASTER_PORT", "NODE_RANK", "GROUP_RANK", RANK)
"""Environment variables by which launchers, and users without one, tell processes where they meet."""

OWN = "ROBUST_SEGMENTATION_ONE_MACHINE"
"""Environment variable: what the others say is from here."""

_stores: list[TCPStore] = []  # a store lives as long as its object


class OneMachine(LightningEnvironment):
    """Lightning's environment without a cluster, but for where its processes meet and what becomes of them.

    Lightning has the first process listen on all interfaces of the machine, for as long as it runs, without asking who
    connects; here all processes meet on the loopback address. Its launcher leaves a process alone whose first one is
    gone, and ends the first one without a word where another is gone; see `experiments.command_line.peers`.
    """

    @staticmethod
    def detect() -> bool:
        """Whether nothing else says where the processes meet."""
        return OWN in os.environ or not any(name in os.environ for name in FROM_OUTSIDE)

    @property
    def main_address(self) -> str:
        """Where the processes meet."""
        return LOOPBACK

    @property
    def main_port(self) -> int:
        """The port at which they meet; the first process to ask opens it."""
        if OWN not in os.environ:
            os.environ.update(_open_store())
        return int(os.environ["MASTER_PORT"])

    def validate_settings(self, num_devices: int, num_nodes: int) -> None:
        """Start the other processes: called by Lightning's launcher, which starts none where there is a `LOCAL_RANK`."""
        if self.creates_processes_externally:
            return
        os.environ |= {"MASTER_PORT": str(self.main_port), "NODE_RANK": "0", RANK: "0", "WORLD_SIZE": str(num_devices)}
        words = [sys.executable, "-m", "experiments", *sys.argv[1:]]
        start_peers(words, [{**os.environ, RANK: str(rank)} for rank in range(1, num_devices)])


def _open_store() -> dict[str, str]:
    """Open the store at which processes meet, on the loopback address alone, and say so in the words of torchrun.

    Those have every process, the first one included, join a store that is open already.
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
    return {OWN: "1", "MASTER_PORT": str(port), "TORCHELASTIC_USE_AGENT_STORE": "True", **chosen}
