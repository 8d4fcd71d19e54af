"""The page itself: controls on the left, on the right what each network makes of the image."""

import html
import traceback
from pathlib import Path
from typing import Any

import gradio as gr

from datamodules.reading.found_files import SUFFIXES
from experiments.command_line.refusals import find_refusal
from experiments.demo.fragments import draw_heat, make_head, make_legend, make_notice, make_scores, make_title
from experiments.demo.shown import NONE, Shown, Source, Viewer
from experiments.predicting.uncertainty_maps import name_maps
from user_error import extract_message, find_user_error

FAULT = "something unexpected went wrong: the terminal in which the page was started says what"
EVENT: dict[str, Any] = {
    "api_visibility": "private",
    "concurrency_limit": 1,
    "concurrency_id": "networks",
    "show_progress": "minimal",
    "trigger_mode": "always_last",  # of a slider that moves on, the last severity counts
}
BUTTONS: list[Any] = ["download", "fullscreen"]


class Page:
    """Builds the page of a viewer.

    Args:
        viewer: of the networks.
    """

    def __init__(self, viewer: Viewer) -> None:
        self.viewer = viewer
        self.conditions = viewer.list_conditions()
        self.maps = list(dict.fromkeys(kind for one in viewer.networks.values() for kind in name_maps(one)))
        self.outputs: list[Any] = []

    def build(self) -> gr.Blocks:
        """The page."""
        blocks = gr.Blocks(
            title="Segmentation under corruptions", analytics_enabled=False, delete_cache=(600, 3600), fill_width=True
        )
        with blocks:
            gr.HTML(make_title(list(self.viewer.networks), self.viewer.suite.name))
            with gr.Row(elem_classes="body"):
                with gr.Column(scale=1, min_width=280, elem_classes="controls"):
                    self._add_controls()
                with gr.Column(scale=4, min_width=520, elem_classes="results"):
                    self._add_results()
            self._add_events(blocks)
        return blocks

    def _add_controls(self) -> None:
        ids = self.viewer.ids
        self.upload = gr.File(
            label="Your image", file_types=list(SUFFIXES), type="filepath", height=130, elem_id="upload"
        )
        self.picked = gr.Dropdown(
            [(name, place) for place, name in enumerate(ids)],
            value=0 if ids else None,
            label="or one of the test split",
            visible=bool(ids),
            elem_id="picked",
        )
        self.corruption = gr.Dropdown(
            [(name.replace("_", " "), name) for name in self.conditions],
            value=NONE,
            label="Corruption",
            elem_id="corruption",
        )
        self.severity = gr.Slider(
            1, 5, value=3, step=1, label="Severity", interactive=False, buttons=[], elem_id="severity"
        )
        self.kind = gr.Radio(
            [(name.replace("_", " "), name) for name in self.maps],
            value=self.maps[0],
            label="Uncertainty",
            visible=len(self.maps) > 1,
            elem_id="kind",
        )
        self.legend = gr.HTML(elem_id="legend")

    def _add_results(self) -> None:
        self.notice = gr.HTML(elem_id="notice")
        with gr.Row(elem_classes="pictures"):
            self.image = _make_picture("Image as the networks see it", "image")
            self.truth = _make_picture("Its mask", "truth")
            self.scores = gr.HTML(elem_id="scores")
        self.outputs = [self.notice, self.image, self.truth, self.scores, self.legend]
        for number, name in enumerate(self.viewer.networks):
            gr.HTML(make_head(name))
            with gr.Row(elem_classes="pictures"):
                self.outputs += [
                    _make_picture("Overlay", f"overlay-{number}"),
                    _make_picture("Mask", f"mask-{number}"),
                    _make_picture("Uncertainty", f"uncertainty-{number}"),
                ]

    def _add_events(self, blocks: gr.Blocks) -> None:
        inputs = [self.upload, self.picked, self.corruption, self.severity, self.kind]
        shown: dict[str, Any] = {"fn": self.show, "inputs": inputs, "outputs": self.outputs, **EVENT}
        own: dict[str, Any] = {"queue": False, "show_progress": "hidden", "api_visibility": "private"}
        first = 0 if self.viewer.ids else None
        gr.on([blocks.load, self.severity.change, self.kind.change, self.corruption.change], **shown)
        self.corruption.change(self.adapt_slider, self.corruption, self.severity, **own)
        # one image is shown at a time: a new one takes the place of the other in its control
        self.picked.input(lambda: None, None, self.upload, **own).then(**shown)
        self.upload.upload(lambda: None, None, self.picked, **own).then(**shown)
        self.upload.clear(lambda: first, None, self.picked, **own).then(**shown)

    def adapt_slider(self, corruption: str) -> Any:
        """The slider rests where there is no severity to choose."""
        return gr.update(interactive=bool(self.conditions.get(corruption)))

    def show(self, upload: str | None, picked: int | None, corruption: str, severity: float, kind: str) -> list[Any]:
        """The values of all outputs for those of the controls; a mistake empties them and says why in a sentence.

        Args:
            upload: path of an uploaded file.
            picked: place of an image in the test split.
            corruption: name of a condition.
            severity: of a corruption.
            kind: of the maps of uncertainty.
        """
        source: Source | None = Path(upload) if upload else picked
        if source is None:
            return self._make_empty("Drop an image on the left to begin.")
        try:
            shown = self.viewer.show(source, corruption, int(severity))
            condition = _format_condition(corruption, int(severity), bool(self.conditions[corruption]))
            return self._fill(shown, condition, kind)
        except Exception as error:  # whatever it is, the visitor sees a sentence and the page lives on
            sentence = _describe(error)
            gr.Warning(html.escape(sentence))
            return self._make_empty(sentence)

    def _fill(self, shown: Shown, condition: str, kind: str) -> list[Any]:
        values = ["", shown.picture, shown.truth_overlay]
        values += [make_scores(shown, condition), make_legend(shown, self.viewer.data.classes, self.viewer.palette)]
        for one in shown.networks:
            map_ = one.uncertainty.get(kind)
            values += [one.overlay, self.viewer.palette[one.mask], None if map_ is None else draw_heat(map_)]
        return values

    def _make_empty(self, sentence: str) -> list[Any]:
        return [make_notice(sentence), *[None] * 2, "", "", *[None] * (3 * len(self.viewer.networks))]


def _make_picture(label: str, name: str) -> gr.Image:
    return gr.Image(
        label=label,
        alt_text=label,
        format="png",  # without loss
        interactive=False,
        buttons=BUTTONS,
        elem_id=name,
        elem_classes="picture",
    )


def _describe(error: Exception) -> str:
    """The sentence for an error; one that is no mistake of the visitor's is told at the terminal."""
    mistake = find_user_error(error)
    if mistake is not None:
        return extract_message(mistake)
    refused = find_refusal(error)
    if refused is None:
        traceback.print_exception(error)
    return refused or FAULT


def _format_condition(name: str, severity: int, chosen: bool) -> str:
    if name == NONE:
        return ""
    return f"{name.replace('_', ' ')} {severity}" if chosen else name.replace("_", " ")
