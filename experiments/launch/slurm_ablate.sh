#!/usr/bin/env bash
# An ablation as an array of jobs, each with a share of the trials on a GPU of its own and a folder that all see:
#   sbatch --array=0-7 experiments/launch/slurm_ablate.sh experiments/configs/sweep/networks_camvid.yaml
# Further options go to every trial. Trials that are done are skipped, so the same line again runs what is left.
#SBATCH --job-name=ablation
#SBATCH --ntasks=1
#SBATCH --gpus=1
#SBATCH --cpus-per-task=8
#SBATCH --time=12:00:00
#SBATCH --signal=B:USR1@120
#SBATCH --requeue
#SBATCH --open-mode=append
#SBATCH --output=slurm-%A_%a.log
set -uo pipefail

source experiments/launch/requeue.sh # SLURM keeps the folder of `sbatch`, and runs a copy of this file
export SRUN_CPUS_PER_TASK="${SLURM_CPUS_PER_TASK:-1}" # which srun no longer takes from sbatch, since SLURM 22.05
run_or_requeue srun "${PYTHON:-.venv/bin/python}" -m experiments ablate "$@" \
    --shard "$SLURM_ARRAY_TASK_ID" --shards "$SLURM_ARRAY_TASK_COUNT"
