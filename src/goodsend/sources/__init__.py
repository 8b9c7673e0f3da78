"""In: one file per provider or format, bytes to events or Rejections. Reading the world happens here, meaning does not."""
