"""leadart: an article is saved, its pictures are painted in-house and announced on the bus."""

__version__ = "0.1.0"
