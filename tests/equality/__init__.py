"""How far the denoiser's pictures are from the stock pipeline's, and what running out of memory does to them."""
