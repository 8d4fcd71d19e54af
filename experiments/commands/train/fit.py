"""Train a network from a recipe, or go on with a training that was interrupted."""

HELP = """usage: python -m experiments fit --config RECIPE [options]

Train a network from a recipe, or resume its training: the same command goes on where it was interrupted, from the last
whole epoch, and ends as if it had never stopped. A training that is over is left alone.

  --config RECIPE       a YAML of experiments/configs/recipe; a second --config overlays the first
  --run DIR             folder of checkpoints, settings and metrics (default: runs/NAME_OF_THE_RECIPE)
  --start CHECKPOINT    begin with its network and weights: train for longer, in a --run and by a schedule of its own, or
                        fine-tune what was trained, pruned or combined before
  --ckpt_path CHECKPOINT   go on with the training of this checkpoint, by its own settings
  --restart             begin anew where the folder holds a training
  --seed_everything N   seed of weights, order and augmentation

components, each a YAML of experiments/configs or an import path:
  --model.init_args.network FILE      --model.init_args.loss FILE      --data FILE
  --model.init_args.optimizer FILE    --model.init_args.schedule FILE
  --model.init_args.encoder_weights   imagenet (the hub), the path of a local file, or null

settings of a component:
  --data.init_args.root DIR                          where the images lie
  --data.init_args.size [H,W]                        what they are resized to
  --data.init_args.batch_size N
  --model.init_args.optimizer.init_args.lr X
  --model.init_args.network.init_args.encoder NAME   any encoder of smp, or tu-NAME of timm

settings of the trainer:
  --trainer.max_epochs N     --trainer.devices N           --trainer.accelerator cpu|gpu
  --trainer.max_time DD:HH:MM:SS  time of this call: the same command then goes on, with as much time again
  --trainer.precision P      --trainer.gradient_clip_val X --trainer.accumulate_grad_batches N

examples:
  python -m experiments fit --config experiments/configs/recipe/synthetic_unet.yaml
  python -m experiments fit --config experiments/configs/recipe/camvid_fpn.yaml --data.init_args.root /data/camvid
  python -m experiments fit --config experiments/configs/recipe/synthetic_unet.yaml --run runs/segformer \\
      --model.init_args.network experiments/configs/network/segformer.yaml
  python -m experiments fit --config experiments/configs/recipe/synthetic_unet.yaml --trainer.devices 2
  python -m experiments fit --config experiments/configs/recipe/synthetic_unet.yaml --run runs/tuned \\
      --start runs/pruned/best.ckpt --model.init_args.optimizer.init_args.lr 0.0003
  python -m experiments fit --config experiments/configs/recipe/synthetic_unet.yaml --run runs/longer \\
      --start runs/synthetic_unet/last.ckpt --trainer.max_epochs 20

'--help-all' lists every setting, '--print_config' shows those of a recipe."""


def main(argv: list[str]) -> None:
    """The verb; its help is printed without importing the libraries of training."""
    if argv in (["-h"], ["--help"]):
        print(HELP)
        return
    from experiments.training.cli import run_cli

    run_cli(["--help" if word == "--help-all" else word for word in argv])
