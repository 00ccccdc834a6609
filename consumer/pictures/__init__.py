"""From pixels to the bytes that are stored: checked, encoded, marked as AI-made. The only place that imports Pillow."""
