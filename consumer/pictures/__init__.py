"""Check pictures, encode them and mark them as AI-generated. The only package that imports Pillow."""
