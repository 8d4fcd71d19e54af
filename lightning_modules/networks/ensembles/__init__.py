"""Networks that combine the logits of several members."""
