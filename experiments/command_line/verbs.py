"""The verbs: the folder of each, and what it does."""

FOLDERS = {
    "commands.train": {
        "check": "read a data set before training, and report what is wrong with it",
        "fit": "train a network from a recipe, or resume its training",
        "trial": "train, then sweep: one trial of an ablation",
        "ablate": "run the trials of a sweep file, and rank them",
    },
    "commands.evaluate": {
        "plan": "estimate the time and memory of a sweep on several processes",
        "benchmark": "sweep a checkpoint over corruptions and write its record",
        "verify": "recompute a record, and sweep a sample of it again",
        "rescore": "state the intervals of records anew, over what is independent",
        "trust": "fit when not to trust a network's masks, and measure how often that errs",
        "predict": "segment image files",
        "demo": "show on a page of this machine what networks make of an image under corruptions",
        "corruptions": "draw an image under every corruption of a suite",
        "costs": "measure the costs of networks: parameters, multiply-adds, latency, memory",
    },
    "commands.derive": {
        "ensemble": "make one network of several, or of the seeds of a recipe",
        "soup": "average the weights of networks",
        "tta": "average a network's predictions over several views of an image",
        "slide": "show a network an image window by window",
        "prune": "remove channels or weights of a network",
        "calibrate": "fit the temperature of a network's probabilities",
        "svm": "fit a linear SVM on a checkpoint's features",
        "export": "write a checkpoint as an ONNX, TorchScript or torch.export file",
        "convert": "make a checkpoint of a published network: of Transformers, smp, torchvision, a state dict, TorchScript, ONNX",
        "onnx": "make a checkpoint of an ONNX file, to be swept like any other",
    },
    "commands.analyse": {
        "collect": "gather records from run folders and from others into one tree",
        "leaderboard": "rank records in a table, beside published ones",
        "tradeoff": "show the costs of networks beside their robustness",
        "compare": "test whether the difference of two records holds",
        "recipes": "test whether recipes differ, by several trainings of each",
        "effects": "estimate the effect of each factor of an ablation",
        "proxy": "say how well corruptions predict real conditions, over networks",
        "shifts": "show clean, corrupted and real-shift scores side by side",
        "challenge": "report a sweep as the BRAVO challenge or ACDC does",
        "failure": "say how well confidence tells wrong pixels and badly segmented images",
        "curves": "draw the robustness curves of records",
        "cells": "write records as one table, of conditions or of images, for pandas and others",
        "report": "make a page of records: leaderboard, curves, reliability, worst images",
        "site": "make a static site of records: leaderboards, pages, JSON",
    },
    "upkeep": {
        "fill": "fill the tables of pages from records",
        "parity": "compare the corruptions of ImageNet-C with the reference implementation",
        "severities": "measure how strong the severities of suites are, and make them compare",
        "speed": "time corruptions, sweep and pipeline against their baselines",
        "coverage": "simulate how often intervals hold, and how often tests err",
    },
}
"""Verbs by their folder, which stands for a stage of work, with the line that the help shows."""

VERBS = {verb: line for lines in FOLDERS.values() for verb, line in lines.items()}


def name_module(verb: str) -> str:
    """The import path of a verb."""
    folder = next(folder for folder, lines in FOLDERS.items() if verb in lines)
    return f"experiments.{folder}.{verb}"
