"""The transformer's forward pass: all sequences of a step packed one after the other, or the stock one of diffusers."""
