"""An encoder that is not trained, under any decoder."""

from lightning_modules.networks.smp import Part, SmpNetwork


class FrozenEncoder(Part):
    """The encoder keeps the weights that it starts from, and stays in evaluation mode; the decoder alone is trained.

    As in linear probing and in training decoders on foundation encoders (Oquab et al., "DINOv2: Learning Robust Visual Features
    without Supervision", TMLR 2024).
    """

    of_encoder = True

    def build_into(self, network: SmpNetwork) -> None:
        """Freeze the encoder; parts between encoder and decoder are trained."""
        network.freeze(network.encoder)
