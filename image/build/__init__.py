"""Building the image, one room for each purpose; ``python -m image.build`` puts them in order.

Pure parts (what goes in, how a disk is divided, what boot files say) know no program and are tested without one.
"""
