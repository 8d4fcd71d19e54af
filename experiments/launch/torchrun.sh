#!/usr/bin/env bash
# One verb on machines without a scheduler, a process for each GPU. On one machine:
#   experiments/launch/torchrun.sh fit --config experiments/configs/recipe/camvid_fpn.yaml --run runs/camvid
# On several, the same line on each, with the address of the first and a number for each:
#   NODES=2 NODE=0 ADDRESS=10.0.0.1 experiments/launch/torchrun.sh fit ...
set -euo pipefail
processes="${PROCESSES:-$(nvidia-smi --list-gpus 2> /dev/null | wc -l || true)}"
[ "$processes" -gt 0 ] || { echo "there is no GPU here: say how many processes, as PROCESSES=2" >&2 && exit 2; }
exec "${PYTHON:-.venv/bin/python}" -m torch.distributed.run --nnodes "${NODES:-1}" --node-rank "${NODE:-0}" \
    --nproc-per-node "$processes" --master-addr "${ADDRESS:-127.0.0.1}" --master-port "${PORT:-29500}" \
    -m -- experiments "$@" --trainer.num_nodes "${NODES:-1}" --trainer.devices "$processes"
