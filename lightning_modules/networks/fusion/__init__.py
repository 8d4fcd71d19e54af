"""Several modalities in one image: where an encoder-decoder lets them meet.

The places are those of Zhou, Ruan and Canu ("A review: Deep learning for medical image segmentation using
multi-modality fusion", Array 2019):

- early: at the input. The ordinary network does this, with all channels in its first convolution: `SmpNetwork`.
- middle: at the features, `MiddleFusionNetwork`.
- late: at the logits, `LateFusionNetwork`.
"""
