"""The image: what is in it (package lists, boot files) and how it is built (``image.build``)."""
