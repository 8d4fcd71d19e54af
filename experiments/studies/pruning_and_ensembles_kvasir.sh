#!/usr/bin/env bash
# The records of docs/pruning_and_ensembles.md: FPN on Kvasir-SEG, pruned, combined and asked several times.
#   experiments/studies/pruning_and_ensembles_kvasir.sh                 # all parts, in this order
#   experiments/studies/pruning_and_ensembles_kvasir.sh dense half      # some of them; what is done is skipped
# RUNS says where the runs go; docs/data.md where data and encoder lie.
set -euo pipefail
runs="${RUNS:-runs/pruning_and_ensembles_kvasir}"
suite=imagenet_c
recipe=(--config=experiments/configs/recipe/kvasir_unet.yaml --budget=experiments/configs/budget/kvasir.yaml)
source experiments/studies/steps.sh

checkpoints() { for name in "$@"; do echo "$runs/$name/best.ckpt"; done; }

dense() { for seed in 0 1 2; do network "dense_$seed" "$seed" fpn --model.init_args.network.init_args.encoder=mobilenet_v2; done; }

# NAME FROM SEED OPTIONS...: train another one on, and sweep it.
further() { trial "$1" "--start=$runs/$2/best.ckpt" "--seed_everything=$3" --trainer.max_epochs=12 "${@:4}"; }

# NAME FROM SEED RATIO: prune, train on, and sweep.
pruned() { further "$1" "$2" "$3" "--prune=$4" --criterion=taylor; }

# As long trained as what is pruned and trained on: the fair one to compare those with, and what soups are made of.
tuned() { for seed in 0 1 2; do further "tuned_$seed" dense_0 "$seed"; done; }

half() { for seed in 0 1 2; do pruned "half_$seed" "dense_$seed" "$seed" 0.5; done; }

# What is lost after twelve epochs comes back by training on, up to here.
longer() { for seed in 0 1 2; do further "half_longer_$seed" "half_$seed" "$seed" --trainer.max_epochs=24; done; }

quarter() { for seed in 0 1 2; do pruned "quarter_$seed" "dense_$seed" "$seed" 0.75; done; }

# NAME RANKING RATIO: dense_0 with zeros instead of fewer channels, set while it trains on.
zeros() {
    further "$1" dense_0 0 --trainer.callbacks+=lightning_modules.callbacks.sparsity.GradualSparsity \
        "--trainer.callbacks.ranking=$2" "--trainer.callbacks.ratio=$3"
}

# sparse_0 has none: the one to compare them with where tuned_0 was trained on another machine.
sparse() {
    further sparse_0 dense_0 0
    for ratio in 0.5 0.75 0.9; do zeros "sparse_$ratio" lamp "$ratio"; done
    zeros sparse_magnitude_0.9 magnitude 0.9
}

# One network that costs about as much as three.
wide() {
    network wide 0 fpn --model.init_args.network.init_args.encoder=mobilenet_v2 \
        '--model.init_args.network.init_args.decoder={decoder_pyramid_channels: 448, decoder_segmentation_channels: 256}'
}

combined() {
    made ensemble ensemble --checkpoints $(checkpoints dense_{0,1,2})
    made half_ensemble ensemble --checkpoints $(checkpoints half_{0,1,2})
    made views tta "--checkpoint=$runs/dense_0/best.ckpt" --flips=none --scales 0.75 1 1.25
    made flips tta "--checkpoint=$runs/dense_0/best.ckpt" --flips=horizontal
}

soups() {
    made soup soup --method=uniform --checkpoints $(checkpoints tuned_{0,1,2})
    pruned half_soup soup 0 0.5
}

calibrated() {
    for name in dense_0 half_0 ensemble; do made "${name}_calibrated" calibrate "--checkpoint=$runs/$name/best.ckpt"; done
}

# Networks whose members share most of their weights.
shared() {
    fpn=(--model.init_args.network.init_args.architecture=FPN --model.init_args.network.init_args.encoder=mobilenet_v2)
    network multi_head 0 unet_multi_head "${fpn[@]}"
    network batch_ensemble 0 unet_batch_ensemble "${fpn[@]}" --model.init_args.network.init_args.size=3
    network mc_dropout 0 unet_mc_dropout --model.init_args.network.init_args.samples=3 \
        "${fpn[@]/network.init_args/network.init_args.network.init_args}"
    network cycles 0 fpn --model.init_args.network.init_args.encoder=mobilenet_v2 --trainer.max_epochs=12 \
        --model.init_args.schedule=experiments/configs/schedule/cosine_restarts.yaml --model.init_args.schedule.init_args.cycles=3 \
        --trainer.callbacks+=lightning_modules.callbacks.snapshots.Snapshots
    made snapshots ensemble --checkpoints "$runs"/cycles/snapshot-*.ckpt
}

[ $# -gt 0 ] || set -- dense tuned half longer quarter sparse wide combined soups calibrated shared
parts "$@"
