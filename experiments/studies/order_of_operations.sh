#!/usr/bin/env bash
# Whether networks rank alike when images are corrupted at the size of their files and then resized, and the other way round:
# U-Net and FPN, seeds of which one was there before and the others are new, and on Kvasir-SEG FPN trained with noise and blur, each swept in both orders.
#   experiments/studies/order_of_operations.sh kvasir          # trains and sweeps; what is done is skipped
#   experiments/studies/order_of_operations.sh camvid
#   SEEDS=0 experiments/studies/order_of_operations.sh kvasir  # one seed alone
# RUNS says where the runs go; docs/data.md where data and encoder lie.
set -euo pipefail
case "${1:-}" in
    kvasir) config=kvasir_unet ;;
    camvid) config=camvid_fpn ;;
    *) echo "which data: kvasir or camvid" >&2 && exit 2 ;;
esac
data="$1"
runs="${RUNS:-runs}/$data"
suite=imagenet_c_middle
recipe=("--config=experiments/configs/recipe/$config.yaml" "--config=experiments/configs/budget/$data.yaml")
source experiments/studies/steps.sh

# NAME ORDER RECORD: sweep a network in an order.
swept() {
    local record="$runs/$1/$3.json"
    [ -e "$record" ] || run benchmark "--checkpoint=$runs/$1/best.ckpt" "--suite=$suite" "--order=$2" "--name=$1" \
        "--output=$record" --pictures=0
}

# NAME SEED NETWORK OPTIONS...: train a network, and sweep it in both orders. A training that is over is left alone.
both() {
    run fit "${recipe[@]}" "--model.init_args.network=$networks/$3.yaml" \
        --model.init_args.network.init_args.encoder=mobilenet_v2 "--seed_everything=$2" "--run=$runs/$1" "${@:4}"
    swept "$1" corrupt_then_resize "record-$suite"
    swept "$1" resize_then_corrupt "record-$suite-resize_then_corrupt"
}

for seed in ${SEEDS:-0 3 4}; do
    both "fpn-$seed" "$seed" fpn
    both "unet-$seed" "$seed" unet
    [ "$data" != kvasir ] || both "fpn-noise_blur-$seed" "$seed" fpn \
        --data.init_args.augmentation=experiments/configs/augmentation/noise_blur.yaml
done
