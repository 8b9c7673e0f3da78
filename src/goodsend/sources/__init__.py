"""In: one file per provider or format, bytes to events or Rejections. What they mean is not decided here."""
