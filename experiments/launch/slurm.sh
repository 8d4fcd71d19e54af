#!/usr/bin/env bash
# One verb on one or several nodes of a SLURM cluster, a process for each GPU:
#   sbatch --nodes=2 experiments/launch/slurm.sh fit --config experiments/configs/recipe/camvid_fpn.yaml --run runs/camvid
#   sbatch experiments/launch/slurm.sh benchmark --checkpoint runs/camvid/best.ckpt --suite imagenet_c
# Two minutes before its time is over the job is put back into the queue, and goes on where it stood.
#SBATCH --job-name=robust_segmentation
#SBATCH --nodes=1
#SBATCH --ntasks-per-node=8
#SBATCH --gpus-per-node=8
#SBATCH --cpus-per-task=8
#SBATCH --time=12:00:00
#SBATCH --signal=B:USR1@120
#SBATCH --requeue
#SBATCH --open-mode=append
#SBATCH --output=slurm-%j.log
set -uo pipefail

source experiments/launch/requeue.sh # SLURM keeps the folder of `sbatch`, and runs a copy of this file
export SRUN_CPUS_PER_TASK="${SLURM_CPUS_PER_TASK:-1}" # which srun no longer takes from sbatch, since SLURM 22.05
run_or_requeue srun "${PYTHON:-.venv/bin/python}" -m experiments "$@" \
    --trainer.num_nodes "${SLURM_NNODES:-1}" --trainer.devices "$SLURM_NTASKS_PER_NODE"
